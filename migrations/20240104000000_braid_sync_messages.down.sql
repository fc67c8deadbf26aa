-- Takes back the synchronised messages. Nothing of what the table holds can come back.

DROP TABLE chat_messages;
