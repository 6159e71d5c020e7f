"""Ids: every component of a page by which a drawing, a style or a script finds it, in the order of the pages.

A constant is called as its value is. The scripts in `ui/assets` cannot read this file and say the values themselves; a
test holds them to it. What is no page of the application (the sign-in form, a report) has ids of its own.
"""

# the bar, on every page
CONTENT = "content"
MACHINES_BOX = "machines-box"
MACHINES = "machines"
ORIGIN = "origin"
STATUS = "status"
AGE_CHIP = "age-chip"
AGE = "age"
LINK_CHIP = "link-chip"
LINK_TEXT = "link-text"
CHOICE = "choice"

# what every page says while there is nothing to show, or when the store cannot be read
WAITING_TITLE = "waiting-title"
WAITING_TEXT = "waiting-text"
TROUBLE = "trouble"

# floor: how many machines of each kind, and their tiles
HALL_SUMMARY = "hall-summary"
HALL = "hall"

# machine and replay, the band: state of the machine, trust in the forecast
VERDICT = "verdict"
STALE_TEXT = "stale-text"
FACTS = "facts"

# machine and replay, the sizes of the melt pool over time
TIMELINE = "timeline"
SECOND_KEY = "second-key"
WHY_OPEN = "why-open"
WHY_MARK = "why-mark"

# machine and replay, the card that says why: the question
WHY = "why"
WHY_CLOSE = "why-close"
WHY_FORM = "why-form"
WHY_MOMENT = "why-moment"
WHY_NOW = "why-now"
WHY_OF = "why-of"
WHY_LEAD = "why-lead"
WHY_BY = "why-by"

# machine and replay, the card that says why: the answer
WHY_STATE = "why-state"
WHY_WAITED = "why-waited"
WHY_SENTENCE = "why-sentence"
WHY_MOMENTS = "why-moments"
WHY_PLACES = "why-places"
WHY_PLACES_SAID = "why-places-said"
WHY_FACTS = "why-facts"

# machine and replay, the other pictures, each with the moment that it shows
POOL = "pool"
POOL_AGE = "pool-age"
FIELD = "field"
FIELD_AGE = "field-age"
ABSORBED = "absorbed"
ABSORBED_AGE = "absorbed-age"
LAYER = "layer"

# machine and replay, the list of alerts, and what was done last
ALERT_COUNT = "alert-count"
ACT_SAID = "act-said"
ALERTS = "alerts"

# machine, the one dialog of acts on alerts
ACT_DIALOG = "act-dialog"
ACT_FORM = "act-form"
ACT_TITLE = "act-title"
ACT_ABOUT = "act-about"
ACT_BY = "act-by"
ACT_NOTE = "act-note"
ACT_MINUTES = "act-minutes"
ACT_REFUSED = "act-refused"
ACT_SEND = "act-send"

# machine, messages in numbers, and those that never came
COUNTS = "counts"
MISSED = "missed"

# replay, the list of stored builds
RECORDINGS_BOX = "recordings-box"
RECORDINGS_FILTER = "recordings-filter"
RECORDINGS_COUNT = "recordings-count"
RECORDINGS = "recordings"

# replay, the player: which build and moment, and the timeline with its scrubber
REPLAY = "replay"
REPLAY_TITLE = "replay-title"
MOMENT_WALL = "moment-wall"
MOMENT_BY = "moment-by"
COURSE = "course"
COURSE_CURSOR = "course-cursor"
SCRUB_BOX = "scrub-box"

# replay, the player's controls; the script calls what a button does by its id
ALERT_BEFORE = "alert-before"
LAYER_BEFORE = "layer-before"
FRAME_BEFORE = "frame-before"
PLAY = "play"
FRAME_AFTER = "frame-after"
LAYER_AFTER = "layer-after"
ALERT_AFTER = "alert-after"
SPEED = "speed"
PAUSES_BOX = "pauses-box"
ZOOM = "zoom"
BESIDE = "beside"
MOMENT_AT = "moment-at"
PLAY_NOTE = "play-note"

# replay, the form that asks for a forecast again
AGAIN = "again"
AGAIN_FORM = "again-form"
AGAIN_OPERATOR = "again-operator"
AGAIN_FRAMES = "again-frames"
AGAIN_BY = "again-by"
AGAIN_ASK = "again-ask"
AGAIN_SHARE = "again-share"
AGAIN_SAID = "again-said"

# replay, what the moment means, in words
REPLAY_TROUBLE = "replay-trouble"
MOMENT_WHERE = "moment-where"
MOMENT_NOTE = "moment-note"
KEYS = "keys"

# builds, the list of all
BUILDS_FILTER = "builds-filter"
BUILDS_COUNT = "builds-count"
BUILDS_LIST = "builds-list"

# builds, one of them: what it is, and how far it is read
BUILD_HEAD = "build-head"
BUILD_READING = "build-reading"

# builds, one of them against good builds, and layers outside
BUILD_LIMITS_TITLE = "build-limits-title"
BUILD_AGAINST = "build-against"
BUILD_LIMITS = "build-limits"
BUILD_QUANTITY = "build-quantity"
BUILD_OUTSIDE = "build-outside"

# builds, the part by layer, and one layer
BUILD_WHOLE_TITLE = "build-whole-title"
BUILD_WHOLE = "build-whole"
BUILD_PICTURE = "build-picture"
BUILD_PLANE_TITLE = "build-plane-title"
BUILD_PLANE = "build-plane"
BUILD_PLANE_SAID = "build-plane-said"
BUILD_LAYER = "build-layer"

# builds, notes and the form that writes one
BUILD_NOTES_COUNT = "build-notes-count"
BUILD_NOTES = "build-notes"
NOTE_FORM = "note-form"
NOTE_TEXT = "note-text"
NOTE_LAYER = "note-layer"
NOTE_SHAPE = "note-shape"

# builds, the mark of a good build
GOOD_FORM = "good-form"
BUILD_GOOD = "build-good"
GOOD_WHY = "good-why"

# builds, report and files
FILE_FORM_FORM = "file-form-form"
FILE_FORM = "file-form"
FILE_LAYERS = "file-layers"

# builds, the dialog that withdraws a note
WITHDRAW_DIALOG = "withdraw-dialog"
WITHDRAW_FORM = "withdraw-form"
WITHDRAW_WHY = "withdraw-why"

# models, the cards
MODELS = "models"
CARDS = "cards"

# models, what serves where: the table, the acts, and the form that changes it
SERVING = "serving"
APPROVALS = "approvals"
PROMOTE = "promote"
PROMOTE_NOT = "promote-not"
PROMOTE_MACHINE = "promote-machine"
PROMOTE_CARD = "promote-card"
PROMOTE_NOTE = "promote-note"
PROMOTE_BY = "promote-by"
PROMOTE_DO = "promote-do"
PROMOTE_BACK = "promote-back"
PROMOTE_SAID = "promote-said"

# models, the results of validation
SUITES = "suites"
SUITE = "suite"

# models, one card: what it is, and the process map with its form
CARD_HEAD = "card-head"
MAP_AGE = "map-age"
MAP_FORM = "map-form"
MAP_MATERIAL = "map-material"
MAP_DRAW = "map-draw"
MAP_SAID = "map-said"
PROCESS_MAP = "process-map"
MAP_SOURCES = "map-sources"

# models, one card: what it may claim
CARD_SPANS = "card-spans"
CARD_LIMITS = "card-limits"
CARD_CALIBRATION = "card-calibration"
CARD_TABLES = "card-tables"

# people: accounts, and what was done to one
CREW = "crew"
PEOPLE_SAID = "people-said"
PEOPLE_PASSWORD = "people-password"

# people, the form that adds one
PEOPLE_FORM = "people-form"
PEOPLE_NAME = "people-name"
PEOPLE_ROLE = "people-role"
PEOPLE_ADD = "people-add"
PEOPLE_ADD_PROXY = "people-add-proxy"

# people: what was done by whom, and what stands there where nobody signs in
CREW_ACTS = "crew-acts"
PEOPLE_OFF = "people-off"


def again_factor(name: str) -> str:
    """Replay: the field of a factor with which a forecast is asked for again, a key of `ui.replay.again.FACTORS`."""
    return f"again-{name}"


def note_coordinate(name: str) -> str:
    """Builds: the field of a coordinate of a note's place, a key of `ui.pages.builds.remarks.COORDINATES`."""
    return f"note-{name}"


def by(act: str) -> str:
    """Builds: the field of who does an act, where nobody signs in, one of `ui.access.roles.LEAST`."""
    return f"by-{act}"


def map_field(name: str) -> str:
    """Models: the field of a number that a process map is asked for with, a key of `ui.models.asked.BOUNDS`."""
    return f"map-{name}"
