"""What a person watches or touches in a notebook."""
