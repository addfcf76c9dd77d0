-- The functions that move money. Each is one statement for its caller, so that a redemption costs one round trip and
-- holds its locks no longer than its commit. All read at READ COMMITTED: every statement after a lock sees what its
-- former holder committed.

CREATE FUNCTION terms_are_for_ever() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an issued version of an offer is never changed; make a new one';
END $$;

CREATE TRIGGER offer_versions_for_ever BEFORE UPDATE OR DELETE ON offer_versions
    FOR EACH ROW EXECUTE FUNCTION terms_are_for_ever();


-- Null for a request that is new; it holds its key until the transaction ends.
CREATE FUNCTION begun_before(once jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    kept record;
BEGIN
    IF once IS NULL OR once = 'null' THEN
        RETURN NULL;
    END IF;
    IF NOT pg_try_advisory_xact_lock(hashtextextended(current_schema() || (once - 'hash')::text, 0)) THEN
        RETURN jsonb_build_object('outcome', 'in_flight');
    END IF;
    SELECT i.request_hash, i.status, i.answer INTO kept FROM idempotency i
        WHERE i.asker = once->>'asker' AND i.key = once->>'key' AND i.at > now() - interval '24 hours';
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    RETURN jsonb_build_object('outcome', 'replay', 'hash', kept.request_hash, 'status', kept.status,
                              'answer', kept.answer);
END $$;


CREATE FUNCTION remember_answer(once jsonb, told integer, said text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO idempotency (asker, key, request_hash, status, answer, at)
    SELECT once->>'asker', once->>'key', once->>'hash', told, said, now() WHERE once IS NOT NULL AND once <> 'null'
    ON CONFLICT (asker, key) DO UPDATE
        SET request_hash = excluded.request_hash, status = excluded.status, answer = excluded.answer, at = excluded.at
$$;


-- Validates, reserves or redeems what `plan` says, all of it or nothing. The same checks in the same order for all
-- three; a validation locks and writes nothing. Outcomes: done, refused (with keys, or `order`), in_flight, replay, and
-- stale: what the plan was made from is not so any more, read again and make another.
CREATE FUNCTION settle(plan jsonb, said text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    dry CONSTANT boolean := plan->>'mode' = 'validate';
    ahead CONSTANT interval := make_interval(secs => (plan->>'offset')::float8);
    since CONSTANT timestamptz := to_timestamp((plan->>'at')::float8);
    the_owners CONSTANT text[] := ARRAY(SELECT jsonb_array_elements_text(plan->'owners'));
    the_codes CONSTANT text[] := ARRAY(SELECT u->>'code' FROM jsonb_array_elements(plan->'uses') u ORDER BY 1);
    held_codes text[] := '{}';
    held jsonb := '[]';
    told jsonb;
    the_keys text[];
    nets bigint[];
    caps bigint[];
    short text[];
BEGIN
    IF NOT dry THEN
        told := begun_before(plan->'once');
        IF told IS NOT NULL THEN
            RETURN told;
        END IF;
        PERFORM pg_advisory_xact_lock_shared(hashtextextended(current_schema() || o, 1)) FROM unnest(the_owners) o;
    END IF;
    IF EXISTS (SELECT FROM jsonb_to_recordset(plan->'uses') AS u(offer_id text, newest integer)
               LEFT JOIN offers f ON f.offer_id = u.offer_id
               WHERE f.state IS DISTINCT FROM 'active' OR f.version <> u.newest)
       OR (SELECT count(*) FROM counted_scopes WHERE owner = ANY (the_owners)) <> (plan->>'scopes')::integer THEN
        RETURN '{"outcome": "stale"}';
    END IF;
    IF plan->>'reservation' IS NOT NULL THEN
        SELECT r.codes, r.holds INTO held_codes, held FROM reservations r
            WHERE r.reservation_id = plan->>'reservation' AND r.state = 'live'
              AND r.expires_at > clock_timestamp() + ahead;
        IF NOT FOUND THEN
            RETURN '{"outcome": "stale"}';
        END IF;
    END IF;

    SELECT array_agg(n.key ORDER BY n.key), array_agg(n.net ORDER BY n.key), array_agg(n.cap ORDER BY n.key)
        INTO the_keys, nets, caps
        FROM (SELECT w.key, sum(w.add)::bigint AS net, min(w.cap) AS cap
              FROM (SELECT h.key, h.add, h.cap FROM jsonb_to_recordset(plan->'uses') AS u(holds jsonb),
                           jsonb_to_recordset(u.holds) AS h(key text, add bigint, cap bigint)
                    UNION ALL
                    SELECT h.key, -h.add, NULL FROM jsonb_to_recordset(held) AS h(key text, add bigint)) w
              GROUP BY w.key) n
        WHERE n.net <> 0;
    IF the_keys IS NOT NULL THEN
        IF NOT dry THEN
            INSERT INTO counters (key, used, cap)
                SELECT w.key, 0, coalesce(w.cap, 0) FROM unnest(the_keys, caps) AS w(key, cap)
                WHERE NOT EXISTS (SELECT FROM counters c WHERE c.key = w.key)
                ORDER BY w.key ON CONFLICT DO NOTHING;
            PERFORM FROM counters c WHERE c.key = ANY (the_keys) ORDER BY c.key FOR UPDATE;
        END IF;
        SELECT array_agg(w.key) INTO short FROM unnest(the_keys, nets, caps) AS w(key, net, cap)
            LEFT JOIN counters c ON c.key = w.key
            WHERE w.net > 0 AND coalesce(c.used, 0) + w.net > w.cap;
        IF short IS NOT NULL THEN
            RETURN jsonb_build_object('outcome', 'refused', 'keys', to_jsonb(short));
        END IF;
    END IF;

    IF NOT dry THEN
        PERFORM FROM coupons c WHERE c.code = ANY (the_codes) AND c.max_uses IS NOT NULL ORDER BY c.code FOR UPDATE;
    END IF;
    IF EXISTS (SELECT FROM unnest(the_codes) AS w(code) LEFT JOIN coupons c ON c.code = w.code
               WHERE w.code <> ALL (held_codes)
                 AND (c.state IS DISTINCT FROM 'active' OR c.expires_at <= clock_timestamp() + ahead
                      OR c.uses >= c.max_uses)) THEN
        RETURN '{"outcome": "stale"}';
    END IF;
    IF dry THEN
        RETURN '{"outcome": "done"}';
    END IF;
    IF plan->>'reservation' IS NOT NULL THEN
        PERFORM FROM reservations r WHERE r.reservation_id = plan->>'reservation' AND r.state = 'live' FOR UPDATE;
        IF NOT FOUND THEN
            RETURN '{"outcome": "stale"}';
        END IF;
    END IF;
    -- The plan was priced at `since`; who waited longer for a lock prices again.
    IF clock_timestamp() + ahead > since + interval '2 seconds' THEN
        RETURN '{"outcome": "stale"}';
    END IF;

    IF plan->>'mode' = 'redeem' THEN
        INSERT INTO redemption_stacks (redemption_id, order_id, user_id, currency, subtotal, discount, redeemed_at)
            VALUES (plan->>'id', plan->>'order_id', plan->>'user_id', plan->>'currency', (plan->>'subtotal')::bigint,
                    (plan->>'discount')::bigint, since)
            ON CONFLICT (order_id) WHERE state = 'redeemed' DO NOTHING;
        IF NOT FOUND THEN
            RETURN '{"outcome": "refused", "order": true}';
        END IF;
        INSERT INTO redemptions (redemption_id, code, offer_id, version, campaign_id, user_id, discount, holds,
                                 redeemed_at)
            SELECT plan->>'id', u.code, u.offer_id, u.version, u.campaign_id, plan->>'user_id', u.discount, u.holds,
                   since
            FROM jsonb_to_recordset(plan->'uses')
                AS u(code text, offer_id text, version integer, campaign_id text, discount bigint, holds jsonb);
        INSERT INTO redemption_lines (redemption_id, place, item_id, quantity, price, shares)
            SELECT plan->>'id', l.place, l.item_id, l.quantity, l.price, l.shares
            FROM jsonb_to_recordset(plan->'lines')
                AS l(place integer, item_id text, quantity bigint, price bigint, shares jsonb);
        UPDATE reservations r SET state = 'redeemed' WHERE r.reservation_id = plan->>'reservation';
        INSERT INTO outbox (kind, document, at)
            SELECT 'event', e, since FROM jsonb_array_elements(plan->'events') AS e;
    ELSE
        INSERT INTO reservations (reservation_id, user_id, codes, holds, state, created_at, expires_at)
            SELECT plan->>'id', plan->>'user_id', the_codes,
                   coalesce((SELECT jsonb_agg(h) FROM jsonb_array_elements(plan->'uses') u,
                             jsonb_array_elements(u->'holds') h), '[]'),
                   'live', since, to_timestamp((plan->>'until')::float8);
    END IF;
    UPDATE counters c SET used = c.used + w.net, cap = greatest(c.cap, w.cap, c.used + w.net)
        FROM unnest(the_keys, nets, caps) AS w(key, net, cap) WHERE c.key = w.key;
    UPDATE coupons c SET uses = c.uses + 1
        WHERE c.code = ANY (the_codes) AND c.code <> ALL (held_codes) AND c.max_uses IS NOT NULL;
    PERFORM remember_answer(plan->'once', (plan->>'status')::integer, said);
    RETURN '{"outcome": "done"}';
END $$;


-- Gives back what a reservation holds, once; false when it holds nothing any more. `becomes` released or expired.
CREATE FUNCTION release(the_id text, becomes text, moment timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    kept record;
BEGIN
    SELECT r.codes, r.holds INTO kept FROM reservations r WHERE r.reservation_id = the_id AND r.state = 'live'
        AND (becomes <> 'expired' OR r.expires_at <= moment);
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM FROM counters c WHERE c.key IN (SELECT h->>'key' FROM jsonb_array_elements(kept.holds) h)
        ORDER BY c.key FOR UPDATE;
    PERFORM FROM coupons c WHERE c.code = ANY (kept.codes) AND c.max_uses IS NOT NULL ORDER BY c.code FOR UPDATE;
    UPDATE reservations r SET state = becomes WHERE r.reservation_id = the_id AND r.state = 'live';
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE counters c SET used = c.used - h.add
        FROM (SELECT w.key, sum(w.add)::bigint AS add FROM jsonb_to_recordset(kept.holds) AS w(key text, add bigint)
              GROUP BY w.key) h
        WHERE c.key = h.key;
    UPDATE coupons c SET uses = c.uses - 1 WHERE c.code = ANY (kept.codes) AND c.max_uses IS NOT NULL;
    RETURN true;
END $$;


-- Takes an order's redemption back, whole or in part. Outcomes: done, in_flight, replay, stale.
CREATE FUNCTION give_back(plan jsonb, said text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    whole CONSTANT boolean := (plan->>'whole')::boolean;
    the_codes CONSTANT text[] := ARRAY(SELECT u->>'code' FROM jsonb_array_elements(plan->'uses') u ORDER BY 1);
    told jsonb;
BEGIN
    told := begun_before(plan->'once');
    IF told IS NOT NULL THEN
        RETURN told;
    END IF;
    PERFORM FROM counters c WHERE c.key IN (SELECT h->>'key' FROM jsonb_array_elements(plan->'holds') h)
        ORDER BY c.key FOR UPDATE;
    IF whole THEN
        PERFORM FROM coupons c WHERE c.code = ANY (the_codes) AND c.max_uses IS NOT NULL ORDER BY c.code FOR UPDATE;
    END IF;
    UPDATE redemption_stacks s SET rollbacks = s.rollbacks + 1, returned = s.returned + (plan->>'amount')::bigint,
                                   state = CASE WHEN whole THEN 'rolled_back' ELSE s.state END
        WHERE s.redemption_id = plan->>'redemption_id' AND s.state = 'redeemed'
          AND s.rollbacks = (plan->>'rollbacks')::integer;
    IF NOT FOUND THEN
        RETURN '{"outcome": "stale"}';
    END IF;
    UPDATE counters c SET used = c.used - h.add
        FROM (SELECT w.key, sum(w.add)::bigint AS add FROM jsonb_to_recordset(plan->'holds') AS w(key text, add bigint)
              GROUP BY w.key) h
        WHERE c.key = h.key;
    IF whole THEN
        UPDATE coupons c SET uses = c.uses - 1 WHERE c.code = ANY (the_codes) AND c.max_uses IS NOT NULL;
    END IF;
    UPDATE redemptions r SET returned = r.returned + u.amount
        FROM jsonb_to_recordset(plan->'uses') AS u(code text, amount bigint)
        WHERE r.redemption_id = plan->>'redemption_id' AND r.code = u.code;
    UPDATE redemption_lines l SET returned = l.returned + w.quantity
        FROM jsonb_to_recordset(plan->'lines') AS w(line integer, quantity bigint)
        WHERE l.redemption_id = plan->>'redemption_id' AND l.place = w.line;
    INSERT INTO rollbacks (rollback_id, redemption_id, whole, amount, lines, rolled_back_at)
        VALUES (plan->>'id', plan->>'redemption_id', whole, (plan->>'amount')::bigint, plan->'lines',
                to_timestamp((plan->>'at')::float8));
    INSERT INTO outbox (kind, document, at)
        SELECT 'event', e, to_timestamp((plan->>'at')::float8) FROM jsonb_array_elements(plan->'events') AS e;
    PERFORM remember_answer(plan->'once', (plan->>'status')::integer, said);
    RETURN '{"outcome": "done"}';
END $$;
