"""How the parts are put together: settings, wiring, the run loop, the command line. Nothing imports `deploy`."""
