"""What fault tests are made of: real servers and services that can be killed, frozen, starved, cut off and asked."""
