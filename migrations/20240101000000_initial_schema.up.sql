-- The first tables of XFChat: accounts, usage, the global chat and its versions.
--
-- What an older XFChat made under this number. IF NOT EXISTS: on a database that has the tables without a history of
-- migrations, nothing changes here; 20240105000000 brings whatever it finds to one shape.
--
-- Each file here is plain SQL for one transaction. By hand: psql -1 -v ON_ERROR_STOP=1 -f FILE.

CREATE TABLE IF NOT EXISTS users (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    email VARCHAR(255) NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    username VARCHAR(255),
    stripe_customer_id VARCHAR(255),
    subscription_status VARCHAR(50),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS usage_tracking (
    user_id UUID NOT NULL,
    metric_type VARCHAR(100) NOT NULL,
    count INTEGER DEFAULT 0,
    period_start DATE NOT NULL,
    period_end DATE,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, metric_type, period_start)
);

CREATE TABLE IF NOT EXISTS messages (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id UUID,
    text TEXT,
    author VARCHAR(255),
    timestamp BIGINT,
    version VARCHAR(255),
    created_at TIMESTAMPTZ DEFAULT now(),
    is_read BOOLEAN DEFAULT FALSE,
    is_delivered BOOLEAN DEFAULT TRUE
);

CREATE TABLE IF NOT EXISTS version_history (
    version_id VARCHAR(255) PRIMARY KEY,
    user_id UUID,
    parents TEXT[],
    created_at TIMESTAMPTZ DEFAULT now()
);
