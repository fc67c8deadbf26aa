-- The schema, as the migrations make it: docs/schema.sql is generated, so change it by a migration and then run
--   npx vitest run test/docs/schema.test.ts -u

CREATE TABLE announcements (
  user_id uuid NOT NULL,
  announced_up_to uuid DEFAULT '00000000-0000-0000-0000-000000000000'::uuid NOT NULL,
  CONSTRAINT announcements_pkey PRIMARY KEY (user_id),
  CONSTRAINT announcements_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE
);

CREATE TABLE blocks (
  blocker_id uuid NOT NULL,
  blocked_id uuid NOT NULL,
  created_at timestamp with time zone DEFAULT date_trunc('milliseconds'::text, now()) NOT NULL,
  CONSTRAINT blocks_pkey PRIMARY KEY (blocker_id, blocked_id),
  CONSTRAINT blocks_blocked_id_fkey FOREIGN KEY (blocked_id) REFERENCES users(id) ON DELETE CASCADE,
  CONSTRAINT blocks_blocker_id_fkey FOREIGN KEY (blocker_id) REFERENCES users(id) ON DELETE CASCADE,
  CONSTRAINT blocks_self_check CHECK ((blocker_id <> blocked_id))
);

CREATE INDEX blocks_blocked_id_idx ON public.blocks USING btree (blocked_id);

CREATE TABLE chat_messages (
  id uuid DEFAULT gen_random_uuid() NOT NULL,
  conversation_id uuid NOT NULL,
  sender_id uuid,
  content text NOT NULL,
  message_type character varying(20) DEFAULT 'text'::character varying NOT NULL,
  crdt_timestamp bigint,
  braid_version character varying(255),
  braid_parents text[],
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  updated_at timestamp with time zone DEFAULT now() NOT NULL,
  seq bigint NOT NULL,
  version bigint NOT NULL,
  reply_to uuid,
  edited_at timestamp with time zone,
  deleted_at timestamp with time zone,
  mentions uuid[] DEFAULT '{}'::uuid[] NOT NULL,
  CONSTRAINT chat_messages_pkey PRIMARY KEY (conversation_id, id),
  CONSTRAINT chat_messages_id_key UNIQUE (id),
  CONSTRAINT chat_messages_seq_key UNIQUE (conversation_id, seq),
  CONSTRAINT chat_messages_reply_to_fkey FOREIGN KEY (conversation_id, reply_to) REFERENCES chat_messages(conversation_id, id),
  CONSTRAINT fk_chat_messages_conversation FOREIGN KEY (conversation_id) REFERENCES conversations(id) ON DELETE CASCADE,
  CONSTRAINT fk_chat_messages_sender FOREIGN KEY (sender_id) REFERENCES users(id) ON DELETE SET NULL,
  CONSTRAINT chat_messages_content_check CHECK (((octet_length(content) <= 65536) OR (crdt_timestamp IS NOT NULL))),
  CONSTRAINT chat_messages_message_type_check CHECK (((message_type)::text = ANY ((ARRAY['text'::character varying, 'image'::character varying, 'file'::character varying, 'system'::character varying])::text[]))),
  CONSTRAINT chat_messages_version_check CHECK (((seq > 0) AND (version >= seq)))
);

CREATE INDEX chat_messages_changed_idx ON public.chat_messages USING btree (conversation_id, version) WHERE (version <> seq);

CREATE INDEX chat_messages_reply_to_idx ON public.chat_messages USING btree (conversation_id, reply_to) WHERE (reply_to IS NOT NULL);

CREATE INDEX idx_chat_messages_sender_id ON public.chat_messages USING btree (sender_id);

CREATE TABLE contacts (
  id uuid DEFAULT gen_random_uuid() NOT NULL,
  user_id uuid,
  contact_user_id uuid,
  username character varying(255),
  email character varying(255),
  avatar_url text,
  last_seen timestamp with time zone,
  is_online boolean DEFAULT false,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  updated_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT contacts_pkey PRIMARY KEY (id),
  CONSTRAINT contacts_user_id_contact_user_id_key UNIQUE (user_id, contact_user_id),
  CONSTRAINT contacts_contact_user_id_fkey FOREIGN KEY (contact_user_id) REFERENCES users(id) ON DELETE CASCADE,
  CONSTRAINT contacts_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE
);

CREATE INDEX contacts_contact_user_id_idx ON public.contacts USING btree (contact_user_id);

CREATE TABLE conversation_participants (
  conversation_id uuid NOT NULL,
  user_id uuid NOT NULL,
  joined_at timestamp with time zone DEFAULT now() NOT NULL,
  role text DEFAULT 'member'::text NOT NULL,
  last_delivered_seq bigint DEFAULT 0 NOT NULL,
  last_read_seq bigint DEFAULT 0 NOT NULL,
  visible_after bigint DEFAULT 0 NOT NULL,
  rewritten_at bigint DEFAULT 0 NOT NULL,
  CONSTRAINT conversation_participants_pkey PRIMARY KEY (conversation_id, user_id),
  CONSTRAINT conversation_participants_conversation_id_fkey FOREIGN KEY (conversation_id) REFERENCES conversations(id) ON DELETE CASCADE,
  CONSTRAINT conversation_participants_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE,
  CONSTRAINT conversation_participants_cursor_check CHECK (((last_read_seq >= 0) AND (last_read_seq <= last_delivered_seq))),
  CONSTRAINT conversation_participants_rewritten_at_check CHECK ((rewritten_at >= 0)),
  CONSTRAINT conversation_participants_role_check CHECK ((role = ANY (ARRAY['owner'::text, 'admin'::text, 'member'::text]))),
  CONSTRAINT conversation_participants_visible_after_check CHECK ((visible_after >= 0))
);

CREATE INDEX conversation_participants_user_id_idx ON public.conversation_participants USING btree (user_id, conversation_id);

CREATE TABLE conversation_revisions (
  conversation_id uuid NOT NULL,
  revision bigint DEFAULT 1 NOT NULL,
  CONSTRAINT conversation_revisions_pkey PRIMARY KEY (conversation_id),
  CONSTRAINT conversation_revisions_conversation_id_fkey FOREIGN KEY (conversation_id) REFERENCES conversations(id) ON DELETE CASCADE
);

CREATE TABLE conversations (
  id uuid DEFAULT gen_random_uuid() NOT NULL,
  created_by uuid,
  name character varying(255),
  description text,
  is_direct_message boolean DEFAULT false NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  updated_at timestamp with time zone DEFAULT now() NOT NULL,
  head bigint DEFAULT 0 NOT NULL,
  direct_low uuid,
  direct_high uuid,
  history text DEFAULT 'whole'::text NOT NULL,
  deleted_at timestamp with time zone,
  CONSTRAINT conversations_pkey PRIMARY KEY (id),
  CONSTRAINT conversations_created_by_fkey FOREIGN KEY (created_by) REFERENCES users(id) ON DELETE SET NULL,
  CONSTRAINT conversations_direct_high_fkey FOREIGN KEY (direct_high) REFERENCES users(id) ON DELETE SET NULL,
  CONSTRAINT conversations_direct_low_fkey FOREIGN KEY (direct_low) REFERENCES users(id) ON DELETE SET NULL,
  CONSTRAINT conversations_direct_check CHECK ((is_direct_message OR ((direct_low IS NULL) AND (direct_high IS NULL)))),
  CONSTRAINT conversations_direct_order_check CHECK ((direct_low < direct_high)),
  CONSTRAINT conversations_head_check CHECK ((head >= 0)),
  CONSTRAINT conversations_history_check CHECK ((history = ANY (ARRAY['whole'::text, 'since_joining'::text])))
);

CREATE INDEX conversations_created_by_idx ON public.conversations USING btree (created_by) WHERE (created_by IS NOT NULL);

CREATE INDEX conversations_deleted_at_idx ON public.conversations USING btree (deleted_at) WHERE (deleted_at IS NOT NULL);

CREATE INDEX conversations_direct_high_idx ON public.conversations USING btree (direct_high) WHERE (direct_high IS NOT NULL);

CREATE UNIQUE INDEX conversations_direct_pair_key ON public.conversations USING btree (direct_low, direct_high);

CREATE TABLE database_incarnation (
  is_only boolean DEFAULT true NOT NULL,
  incarnation text NOT NULL,
  database oid,
  timeline text,
  written xid8,
  CONSTRAINT database_incarnation_pkey PRIMARY KEY (is_only),
  CONSTRAINT database_incarnation_incarnation_check CHECK ((incarnation ~ '^[a-z0-9]{0,16}$'::text)),
  CONSTRAINT database_incarnation_is_only_check CHECK (is_only)
);

CREATE TABLE departures (
  user_id uuid NOT NULL,
  left_up_to uuid NOT NULL,
  CONSTRAINT departures_pkey PRIMARY KEY (user_id),
  CONSTRAINT departures_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE
);

CREATE TABLE friend_requests (
  id uuid DEFAULT gen_random_uuid() NOT NULL,
  from_user_id uuid NOT NULL,
  to_user_id uuid NOT NULL,
  message text,
  status character varying(50) DEFAULT 'pending'::character varying NOT NULL,
  created_at timestamp with time zone DEFAULT date_trunc('milliseconds'::text, now()) NOT NULL,
  responded_at timestamp with time zone,
  CONSTRAINT friend_requests_pkey PRIMARY KEY (id),
  CONSTRAINT friend_requests_from_user_id_fkey FOREIGN KEY (from_user_id) REFERENCES users(id) ON DELETE CASCADE,
  CONSTRAINT friend_requests_to_user_id_fkey FOREIGN KEY (to_user_id) REFERENCES users(id) ON DELETE CASCADE,
  CONSTRAINT friend_requests_self_check CHECK ((from_user_id <> to_user_id)),
  CONSTRAINT friend_requests_status_check CHECK (((status)::text = ANY ((ARRAY['pending'::character varying, 'accepted'::character varying, 'rejected'::character varying, 'ended'::character varying])::text[])))
);

CREATE INDEX friend_requests_from_user_id_idx ON public.friend_requests USING btree (from_user_id, created_at DESC);

CREATE UNIQUE INDEX friend_requests_pair_key ON public.friend_requests USING btree (LEAST(from_user_id, to_user_id), GREATEST(from_user_id, to_user_id));

CREATE INDEX friend_requests_to_user_id_idx ON public.friend_requests USING btree (to_user_id, created_at DESC);

CREATE TABLE frozen_receipts (
  conversation_id uuid NOT NULL,
  blocked_id uuid NOT NULL,
  blocker_id uuid NOT NULL,
  last_delivered_seq bigint NOT NULL,
  last_read_seq bigint NOT NULL,
  CONSTRAINT frozen_receipts_pkey PRIMARY KEY (conversation_id, blocker_id, blocked_id),
  CONSTRAINT frozen_receipts_block_fkey FOREIGN KEY (blocker_id, blocked_id) REFERENCES blocks(blocker_id, blocked_id) ON DELETE CASCADE,
  CONSTRAINT frozen_receipts_participant_fkey FOREIGN KEY (conversation_id, blocker_id) REFERENCES conversation_participants(conversation_id, user_id) ON DELETE CASCADE,
  CONSTRAINT frozen_receipts_cursor_check CHECK (((last_read_seq >= 0) AND (last_read_seq <= last_delivered_seq)))
);

CREATE INDEX frozen_receipts_block_idx ON public.frozen_receipts USING btree (blocker_id, blocked_id);

CREATE TABLE login_attempts (
  key bytea NOT NULL,
  failures integer NOT NULL,
  blocked_until timestamp with time zone NOT NULL,
  forgotten_at timestamp with time zone NOT NULL,
  CONSTRAINT login_attempts_pkey PRIMARY KEY (key),
  CONSTRAINT login_attempts_key_check CHECK ((octet_length(key) = 32))
);

CREATE INDEX login_attempts_forgotten_at_idx ON public.login_attempts USING btree (forgotten_at);

CREATE TABLE message_reactions (
  conversation_id uuid NOT NULL,
  message_id uuid NOT NULL,
  user_id uuid NOT NULL,
  emoji text NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT message_reactions_pkey PRIMARY KEY (conversation_id, message_id, user_id, emoji),
  CONSTRAINT message_reactions_conversation_id_message_id_fkey FOREIGN KEY (conversation_id, message_id) REFERENCES chat_messages(conversation_id, id) ON DELETE CASCADE,
  CONSTRAINT message_reactions_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE,
  CONSTRAINT message_reactions_emoji_check CHECK (((octet_length(emoji) >= 1) AND (octet_length(emoji) <= 64)))
);

CREATE INDEX message_reactions_user_id_idx ON public.message_reactions USING btree (user_id);

CREATE TABLE message_terms (
  conversation_id uuid NOT NULL,
  seq bigint NOT NULL,
  posted_at timestamp with time zone NOT NULL,
  terms tsvector NOT NULL,
  CONSTRAINT message_terms_pkey PRIMARY KEY (conversation_id, seq),
  CONSTRAINT message_terms_conversation_id_seq_fkey FOREIGN KEY (conversation_id, seq) REFERENCES chat_messages(conversation_id, seq) ON DELETE CASCADE
);

CREATE INDEX message_terms_posted_at_idx ON public.message_terms USING btree (conversation_id, posted_at, seq);

CREATE INDEX message_terms_terms_idx ON public.message_terms USING gin (terms) WITH (gin_pending_list_limit='512');

CREATE TABLE message_versions (
  conversation_id uuid NOT NULL,
  message_id uuid NOT NULL,
  version bigint NOT NULL,
  content text NOT NULL,
  written_at timestamp with time zone NOT NULL,
  CONSTRAINT message_versions_pkey PRIMARY KEY (conversation_id, message_id, version),
  CONSTRAINT message_versions_conversation_id_message_id_fkey FOREIGN KEY (conversation_id, message_id) REFERENCES chat_messages(conversation_id, id) ON DELETE CASCADE
);

CREATE TABLE people_revisions (
  user_id uuid NOT NULL,
  revision bigint DEFAULT 1 NOT NULL,
  CONSTRAINT people_revisions_pkey PRIMARY KEY (user_id),
  CONSTRAINT people_revisions_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE
);

CREATE TABLE schema_migrations (
  id bigint NOT NULL,
  name text NOT NULL,
  checksum text NOT NULL,
  duration_ms integer NOT NULL,
  applied_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT schema_migrations_pkey PRIMARY KEY (id)
);

CREATE TABLE search_progress (
  conversation_id uuid NOT NULL,
  indexed_from bigint NOT NULL,
  indexed_to bigint NOT NULL,
  CONSTRAINT search_progress_pkey PRIMARY KEY (conversation_id),
  CONSTRAINT search_progress_conversation_id_fkey FOREIGN KEY (conversation_id) REFERENCES conversations(id) ON DELETE CASCADE,
  CONSTRAINT search_progress_range_check CHECK (((indexed_from >= 0) AND (indexed_from <= indexed_to)))
);

CREATE TABLE sessions (
  id uuid DEFAULT gen_random_uuid() NOT NULL,
  user_id uuid NOT NULL,
  token_hash bytea NOT NULL,
  device_name text,
  address inet,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  last_used_at timestamp with time zone DEFAULT now() NOT NULL,
  expires_at timestamp with time zone NOT NULL,
  CONSTRAINT sessions_pkey PRIMARY KEY (id),
  CONSTRAINT sessions_token_hash_key UNIQUE (token_hash),
  CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE,
  CONSTRAINT sessions_token_hash_check CHECK ((octet_length(token_hash) = 32))
);

CREATE INDEX sessions_expires_at_idx ON public.sessions USING btree (expires_at);

CREATE INDEX sessions_user_id_idx ON public.sessions USING btree (user_id, last_used_at DESC);

CREATE TABLE set_aside (
  id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
  migration text NOT NULL,
  source_table text NOT NULL,
  reason text NOT NULL,
  source_row jsonb NOT NULL,
  set_aside_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT set_aside_pkey PRIMARY KEY (id)
);

CREATE TABLE successions (
  user_id uuid NOT NULL,
  passed_up_to uuid DEFAULT '00000000-0000-0000-0000-000000000000'::uuid NOT NULL,
  CONSTRAINT successions_pkey PRIMARY KEY (user_id),
  CONSTRAINT successions_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE
);

CREATE TABLE usage_tracking (
  user_id uuid NOT NULL,
  metric_type character varying(100) NOT NULL,
  count bigint DEFAULT 0,
  period_start date NOT NULL,
  period_end date,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  updated_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT usage_tracking_pkey PRIMARY KEY (user_id, metric_type, period_start),
  CONSTRAINT usage_tracking_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE
);

CREATE TABLE users (
  id uuid DEFAULT gen_random_uuid() NOT NULL,
  email character varying(255),
  password_hash text NOT NULL,
  username character varying(255) NOT NULL,
  stripe_customer_id character varying(255),
  subscription_status character varying(50),
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  updated_at timestamp with time zone DEFAULT now() NOT NULL,
  display_name text,
  avatar_url text,
  last_seen_at timestamp with time zone,
  direct_messages_from text DEFAULT 'everyone'::text NOT NULL,
  is_discoverable boolean DEFAULT false NOT NULL,
  shows_presence boolean DEFAULT true NOT NULL,
  deleted_at timestamp with time zone,
  disabled_at timestamp with time zone,
  CONSTRAINT users_pkey PRIMARY KEY (id),
  CONSTRAINT users_direct_messages_from_check CHECK ((direct_messages_from = ANY (ARRAY['everyone'::text, 'friends'::text, 'nobody'::text])))
);

CREATE INDEX users_discoverable_idx ON public.users USING btree (lower(((username)::text COLLATE "C"))) WHERE (is_discoverable AND (deleted_at IS NULL));

CREATE UNIQUE INDEX users_email_key ON public.users USING btree (lower(((email)::text COLLATE "C")));

CREATE INDEX users_legacy_password_idx ON public.users USING btree (substr(password_hash, 5, 2)) WHERE (password_hash ~ '^[$]2[abxy][$](0[4-9]|1[0-4])[$]'::text);

CREATE UNIQUE INDEX users_username_key ON public.users USING btree (lower(((username)::text COLLATE "C")));

CREATE TABLE visibility_epochs (
  conversation_id uuid NOT NULL,
  epoch bigint NOT NULL,
  CONSTRAINT visibility_epochs_pkey PRIMARY KEY (conversation_id),
  CONSTRAINT visibility_epochs_conversation_id_fkey FOREIGN KEY (conversation_id) REFERENCES conversations(id) ON DELETE CASCADE
);

CREATE TABLE visibility_rewrites (
  viewer_id uuid NOT NULL,
  change_id uuid DEFAULT gen_random_uuid() NOT NULL,
  blocks_since timestamp with time zone DEFAULT date_trunc('milliseconds'::text, now()) NOT NULL,
  rewritten_up_to uuid DEFAULT '00000000-0000-0000-0000-000000000000'::uuid NOT NULL,
  CONSTRAINT visibility_rewrites_pkey PRIMARY KEY (viewer_id),
  CONSTRAINT visibility_rewrites_viewer_id_fkey FOREIGN KEY (viewer_id) REFERENCES users(id) ON DELETE CASCADE
);
