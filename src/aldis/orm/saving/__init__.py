"""The pipeline that each saved row goes through: collect, fire before, write, show, fire after, settle."""
