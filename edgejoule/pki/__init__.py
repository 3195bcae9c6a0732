"""A small certificate authority for a fleet: enrolment, renewal, revocation."""
