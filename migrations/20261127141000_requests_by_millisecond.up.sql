-- The cursor of a page of requests has milliseconds, and so must have the times that it is compared with. An earlier migration may have
-- left requests with microseconds. Friends and blocks are compared by the millisecond.
-- The table is read once; only rows with microseconds are locked.
UPDATE friend_requests SET created_at = date_trunc('milliseconds', created_at)
WHERE created_at <> date_trunc('milliseconds', created_at);
