-- When differences were written, for the pace of a label is of what was submitted in the last minutes, and not of what was
-- folded in them. Null: of a message that was counted long after. The triggers do not name it, and the version before
-- neither: it takes these differences as ever.
-- Runs with search_path = payk, inside one transaction.

alter table report_delta add column written_at timestamptz default now();
