-- Takes back 20261127040000_message_terms. Nothing is lost: the way forward makes the terms again, in the background.

DROP TABLE search_progress;
DROP TABLE message_terms;
