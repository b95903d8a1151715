"""The sides of a route: what is known of the server and bucket that each side is on, in one place."""
