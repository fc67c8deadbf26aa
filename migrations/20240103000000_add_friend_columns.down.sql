-- Takes back friend requests and contacts. Nothing of what they hold can come back.

DROP TABLE contacts;
DROP TABLE friend_requests;
