-- Takes back 20261127030000_frozen_receipts. What is lost is how far blockers had come when they blocked somebody: receipts
-- change for those who are blocked.

DROP TABLE frozen_receipts;
