"""The only room that speaks SQL: verbs of the state machine, each one transaction, over PostgreSQL."""
