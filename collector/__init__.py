"""The application on the server: keeps every record, fills the stores, and carries joules to a carbon account."""
