-- Takes back 20261127030000_frozen_receipts. The receipts of blockers from before their blocks are lost: blocked people see
-- their present receipts instead.

DROP TABLE frozen_receipts;
