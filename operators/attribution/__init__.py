"""Attribution: which past moments, parameters and regions a number of a forecast hangs on."""
