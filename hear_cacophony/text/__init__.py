"""The text side: tokens and what is made of them."""
