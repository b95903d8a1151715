"""The library's calls: each takes a plan and options, assembles the parts, and gives a value back.

Nothing here prints or exits. What goes on is told to `Options.listener` as events; what went wrong is raised, one error
also where several tasks failed at once; an object's failure is neither, but a row of the ledger and a count in the
result. Sizes are bytes, times ending in `_ms` epoch milliseconds, in `_s` seconds, unless something else is said.
Whatever writes may be killed at any moment, and called again.

    def hear(event: engine.Event) -> None:
        if isinstance(event, engine.Progress):
            print(f"{event.done:,} of {event.listed:,} objects")

    try:
        result = await engine.migrate(plan, engine.Options(listener=hear, max_rps=2000))
    except engine.StoreError as error:
        print(error.operation, error.ref, error.message, error.advice)
"""

# A verb has a module of its name, here as in engine.report and engine.cli; what several verbs share is in the others.
# Import from the module: a command then loads only what it needs.
