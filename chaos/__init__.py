"""Shows that nothing accepted is lost and nothing is sent twice unknowingly, whatever fails: `make chaos`.

A centre of six processes, its PostgreSQL and two operators run for real, and a load goes through the HTTP API while one
thing after another is killed, cut off or stopped. At the end every id that a client was given is compared with what
went over the wire to the operators, with the database and with what the API says.

    schedule.py     what fails and when, drawn from a seed
    faults.py       makes it fail
    stage.py        everything that runs: database.py, program.py (processes), witness.py (the way to the operators)
    relay.py        connections that can be cut or fall silent; database and operators are reached through such
    wire.py         as much of SMPP as the witness has to read
    load.py         clients that send and try again; door.py is their HTTP
    records.py      what was observed
    reading.py      what is read at the end: rows, states, timelines
    judgement.py    observations -> figures and violations; takeovers.py, lag.py
    report.py       the table and the file
"""
