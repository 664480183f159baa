"""Every promise to the outside: messages, subjects, resources."""
