"""Sites and targets: data, with their sources told in the files beside."""
