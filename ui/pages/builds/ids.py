"""The ids of the builds' page; `ui/assets/builds.js` knows them too."""

LIST, LIST_COUNT, FILTER = "builds-list", "builds-count", "builds-filter"
HEAD, GOOD, READING = "build-head", "build-good", "build-reading"
AGAINST, LIMITS, LIMITS_TITLE, OUTSIDE = "build-against", "build-limits", "build-limits-title", "build-outside"
WHOLE, WHOLE_TITLE, QUANTITY, PICTURE = "build-whole", "build-whole-title", "build-quantity", "build-picture"
PLANE, PLANE_TITLE, PLANE_SAID, LAYER = "build-plane", "build-plane-title", "build-plane-said", "build-layer"
NOTES, NOTES_COUNT, FILES = "build-notes", "build-notes-count", "build-files"
