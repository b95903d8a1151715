"""One plan carried in shards, by several processes: the executor decides who tries, the ledger decides who may."""
