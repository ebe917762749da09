-- What every script begins with: the clock, the partition's own state, and what was changed.
--
-- KEYS[1]  the partition's prefix with its hash tag; every other key is made of it (keys.rs)
-- ARGV[1]  items a lane holds
-- ARGV[2]  how long a lease lasts, in µs
-- ARGV[3]  eight random bytes, the same for every partition of one call
-- ARGV[4]  the server's replication id, or nothing if it is not known
-- ARGV[5]  1 if the caller had a push refused or does not know what became of it
-- ARGV[6]  the calling process
-- ARGV[7]  the channel that wakes the others
-- ARGV[8]  how far the clock was put forward, in µs: only a server for trying things out does so
-- ARGV[9…] the verb's own

local call, sub = redis.call, string.sub
local K = KEYS[1]
local STATE, LANES, TENANTS, TIMERS = K .. ':state', K .. ':lanes', K .. ':tenants', K .. ':timers'
local LEASED, LEASES, HUNGRY = K .. ':leased', K .. ':leases', K .. ':hungry'
local QUEUE, RING_OF, EXPIRED = K .. ':q:', K .. ':ring:', K .. ':expired'

local CAP, LEASE, DICE = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
-- Later than any moment, and exact in a double.
local NEVER = 9007199254740991
-- Timers and leases that one call looks at; the rest is for the next call.
local TICK_MAX = 128
-- Between two feedings of a lane that is not below half: each reads as much as a lane holds.
local FEED_PAUSE = 1000000
-- Until everything is fed after a push that failed or a key that is gone: what refused or took it
-- may go on doing so.
local MISSED_PAUSE = 1000000

local time = call('TIME')
local now = time[1] * 1000000 + time[2] + tonumber(ARGV[8])
-- As an argument: a number would be written with all digits of a double each time.
local NOW = string.format('%.0f', now)

-- Whether something can be served that could not before, and the soonest moment that was set.
local woke, soonest = false, NEVER

local function tell(moment)
    if moment < soonest then soonest = moment end
end

-- The partition's state, one string: totals, turns, the soonest moment that everybody knows of, the
-- last token, the hunger for everything, the epoch, and the server's replication id and the one
-- before.
local STATE_PACKED = '>ddddddddc2c8ss'
local NO_TOKEN = string.rep('\0', 8)
local S, state_read = {}, call('GET', STATE)

-- It is new or lost its memory, or its server has another one: nobody knows what is missing.
local function begin_epoch()
    S.epoch = string.sub(DICE, 1, 2)
    S.everything_at, S.everything_token, S.everything_again = 0, NO_TOKEN, 0
    woke = true
end

-- The store knows of something that is neither here nor in a lane that is known.
local function starve_everything()
    if S.everything_at < 0 then
        S.everything_at, S.everything_token = now + MISSED_PAUSE, NO_TOKEN
        tell(S.everything_at)
    elseif S.everything_token ~= NO_TOKEN then
        S.everything_again = 1
    end
end

do
    local replid = ARGV[4]
    local readable = false
    if state_read then
        readable, S.queued, S.leased, S.in_flight, S.turn, S.told, S.token, S.everything_at,
            S.everything_again, S.epoch, S.everything_token, S.replid, S.replid_before =
            pcall(struct.unpack, STATE_PACKED, state_read)
    end
    -- What no version wrote is as good as nothing.
    if not readable then
        -- Turns go on from the clock: rings that are still there were never ahead of it.
        S.queued, S.leased, S.in_flight, S.turn, S.told, S.token = 0, call('ZCARD', LEASES), 0, now,
            NEVER, 0
        S.replid, S.replid_before = replid, ''
        begin_epoch()
    end
    if replid ~= '' and replid ~= S.replid and replid ~= S.replid_before then
        -- The one before is what callers may still believe in; it begins nothing again.
        if S.replid ~= '' then
            S.replid_before = S.replid
            begin_epoch()
        end
        S.replid = replid
    end
    if ARGV[5] == '1' then starve_everything() end
end

-- No item is leased twice by one call, so one token is enough for it.
local function new_token()
    S.token = math.max(S.token + 1, now)
    return S.epoch .. struct.pack('>I6', S.token % 281474976710656)
end

-- Writes what changed of the partition's state, and wakes the other processes if they have to know.
-- Returns for how long the caller may sleep if it must know: 0 not at all, -1 as long as before.
local function finish_state()
    local sleep = -1
    if woke then
        sleep = 0
    elseif soonest < S.told then
        sleep = math.max(0, soonest - now)
    end
    if soonest < S.told then S.told = soonest end
    local packed = struct.pack(STATE_PACKED, S.queued, S.leased, S.in_flight, S.turn, S.told,
        S.token, S.everything_at, S.everything_again, S.epoch, S.everything_token, S.replid,
        S.replid_before)
    if packed ~= state_read then call('SET', STATE, packed) end
    if sleep >= 0 then
        call('PUBLISH', ARGV[7], ARGV[6] .. ' ' .. string.format('%.0f', sleep) .. ' ' .. K)
    end
    return sleep
end
