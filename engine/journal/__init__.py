"""A ledger's changes, kept in S3 as well: who writes is settled by create-if-absent, and a ledger is a view of them."""
