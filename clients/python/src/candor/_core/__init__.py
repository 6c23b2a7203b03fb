"""What to send, to whom, when again, and what a reply means. No socket, no clock that waits."""
