-- Work that follows a short transaction, some rows at a time, and that no crash stops.

-- People whose profile has changed or whose account is deleted: the lists of those with ids after announced_up_to are still to
-- show it.
CREATE TABLE announcements (
    user_id UUID PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    announced_up_to UUID NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000'
);

-- People whose account was disabled or enabled: their groups with ids after passed_up_to may still have to pass on.
CREATE TABLE successions (
    user_id UUID PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    passed_up_to UUID NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000'
);
