-- Takes back 20261127141000_requests_by_millisecond. Nothing is lost: requests keep their times, which end with a millisecond.
SELECT 1;
