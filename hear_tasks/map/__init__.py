"""`hear-cacophony map`: sounds as points, alike ones near each other, on a page to point at and to listen to."""
