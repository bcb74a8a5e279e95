"""What happens to the inputs first, what is random at inference, and in which dtype a step runs."""
