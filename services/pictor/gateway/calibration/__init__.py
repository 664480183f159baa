"""The calibration library: settings, lists, files, deletion."""
