"""The library's calls: each takes a plan and options, assembles the parts, and gives a value back.

Nothing here prints or exits. What goes on is told to `Options.listener` as events (`engine.events`); what went wrong
is raised (`engine.errors`); an object's failure is neither, but a value in the ledger and a count in the result.

One module a task: `running`, `verifying`, `checking`, `ledgers`, ...; `assembly` puts stores together, `opening`
finds the ledger of a plan. Import from the module: a command then loads only what it needs.
"""
