-- Takes back 20261127070000_conversation_revisions. Nothing is lost: clients that resume their inbox after the way forward
-- may keep an older name, picture or receipt of another person until the conversation changes.

DROP TABLE conversation_revisions;
