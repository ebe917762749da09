-- Leases due items, taking turns between tenants, then between their lanes, and within a lane
-- between new items and retries; also leases out what is hungry.
--
-- ARGV[9]  items at most
-- ARGV[10] hungers at most
-- ARGV[11…] tenants that get nothing
-- returns  now; for how long nothing happens by itself, -1 for ever; whether it is to be asked
--          again at once; the token of all that is leased; lanes; the items, 18 bytes each: the
--          place of its lane among these and whether it is ahead, and the event; the token of the
--          hunger for everything, or nothing; hungry lanes

local MAX, HUNGRY_MAX = tonumber(ARGV[9]), tonumber(ARGV[10])
local skip = {}
for i = 11, #ARGV do skip[ARGV[i]] = true end

local more = tick()
-- No item is leased twice by one call, so one token is enough for it.
S.token = math.max(S.token + 1, now)
local token = S.epoch .. struct.pack('>I6', S.token % 281474976710656)

-- A line is a ring as it is being served: those who stand in it, read a few at a time, then those
-- who were served and go on.
local function line(key) return { key = key, read = 0, ahead = {}, a = 1, again = {}, g = 1 } end

local function fill(L, some)
    if L.a > #L.ahead and not L.all then
        L.ahead = call('ZRANGE', L.key, L.read, L.read + some - 1)
        L.a, L.read, L.all = 1, L.read + #L.ahead, #L.ahead < some
    end
end

local function next_of(L, some)
    fill(L, some)
    if L.a <= #L.ahead then
        L.a = L.a + 1
        return L.ahead[L.a - 1]
    end
    L.g = L.g + 1
    return L.again[L.g - 1]
end

local function has_next(L, some)
    fill(L, some)
    return L.a <= #L.ahead or L.g <= #L.again
end

-- Who was served and goes on stands behind the others from now on.
local function write_turns(L)
    local turns = {}
    for i = L.g, #L.again do
        S.turn = S.turn + 1
        turns[#turns + 1] = S.turn
        turns[#turns + 1] = L.again[i]
    end
    if #turns > 0 then call('ZADD', L.key, unpack(turns)) end
end

-- The next new items of a lane: they are the first in its queue.
local function next_fresh(L, some)
    if L.f > #L.fresh_ahead then
        L.fresh_some = math.max(some, 2 * L.fresh_some)
        L.fresh_ahead = call('ZRANGE', L.key, L.fresh_read, L.fresh_read + L.fresh_some - 1)
        L.f, L.fresh_read = 1, L.fresh_read + #L.fresh_ahead
    end
    L.f = L.f + 1
    return L.fresh_ahead[L.f - 1]
end

local function fill_timed(L, some)
    if L.t > #L.timed_ahead then
        L.timed_some = math.max(some, 2 * L.timed_some)
        local from = L.fresh_before + L.timed_read
        L.timed_ahead = call('ZRANGE', L.key, from, from + L.timed_some - 1, 'WITHSCORES')
        L.t, L.timed_read = 1, L.timed_read + #L.timed_ahead / 2
    end
end

local function next_timed(L, some)
    fill_timed(L, some)
    local member = L.timed_ahead[L.t]
    L.t = L.t + 2
    fill_timed(L, some)
    L.first = tonumber(L.timed_ahead[L.t + 1]) or NEVER
    return member
end

-- From here on its queue stays as it is until all is taken, so ranks count from its beginning.
local function begin(L)
    first_due(L)
    L.fresh_before = L.fresh
    L.fresh_ahead, L.f, L.fresh_read, L.fresh_some = {}, 1, 0, 0
    L.timed_ahead, L.t, L.timed_read, L.timed_some = {}, 1, 0, 0
    L.taken = {}
end

-- Added to the place of an item's lane if it is ahead.
local AHEAD = 32768
local named, items, records, ends = {}, {}, {}, {}

-- Takes the item whose turn it is: onto the wire, or ahead.
local function take(L, some, ahead)
    if not L.taken then begin(L) end
    local retry = first_due(L) <= now and (L.retry_next or L.fresh == 0)
    L.retry_next = not retry
    local member
    if retry then
        member = next_timed(L, some)
    else
        member = next_fresh(L, some)
        L.fresh = L.fresh - 1
    end
    L.taken[#L.taken + 1] = member
    L.queued, L.leased, L.last = L.queued - 1, L.leased + 1, nil
    if not L.tag then
        named[#named + 1] = L.name
        L.tag = struct.pack('>I2', #named - 1)
        L.tag_ahead = struct.pack('>I2', #named - 1 + AHEAD)
        L.ahead_left = 0
    end
    if ahead then
        L.ahead_left = L.ahead_left - 1
    else
        L.in_flight, L.ahead_left = L.in_flight + 1, L.ahead_left + L.ahead
    end
    local event = string.sub(member, 9)
    local field = L.name .. event
    items[#items + 1] = (ahead and L.tag_ahead or L.tag) .. event
    records[#records + 1] = field
    records[#records + 1] = token .. (ahead and 'w' or 's') .. string.sub(member, 1, 8)
    ends[#ends + 1] = now + LEASE
    ends[#ends + 1] = field
end

local tenants, rings, served = line(TENANTS), {}, {}
local waiting = MAX > 0 and call('ZCARD', TENANTS) or 0
while #items < MAX do
    local tenant = next_of(tenants, MAX)
    if not tenant then break end
    if not skip[tenant] then
        local ring = rings[tenant]
        if not ring then
            ring = line(RING_OF .. tenant)
            rings[tenant] = ring
            served[#served + 1] = ring
            ring.some = math.ceil(MAX / waiting)
        end
        local before = ring.read
        local name = next_of(ring, ring.some)
        if ring.read > before then read_lanes(ring.ahead) end
        if name then
            local L = lane(name)
            touch(L)
            if wanted_position(L) == RING then
                take(L, math.min(math.ceil(ring.some / ring.read), places_left(L)))
                if wanted_position(L) == RING then ring.again[#ring.again + 1] = name end
            end
        end
        if has_next(ring, ring.some) then tenants.again[#tenants.again + 1] = tenant end
    end
end

-- What there is room for beyond the places is leased ahead, in turns, as much of each lane as it may
-- have for the places that it was given now.
local forward = {}
for i = 1, #named do forward[i] = lanes[named[i]] end
local f = 1
while #items < MAX and f <= #forward do
    local L = forward[f]
    f = f + 1
    if L.ahead_left > 0 and (L.fresh > 0 or first_due(L) <= now) then
        take(L, math.min(L.ahead_left, MAX - #items), true)
        forward[#forward + 1] = L
    end
end

for i = 1, #served do write_turns(served[i]) end
write_turns(tenants)
for i = 1, #touched do
    local L = touched[i]
    if L.taken and #L.taken > 0 then call('ZREM', L.key, unpack(L.taken)) end
end
if #records > 0 then
    call('HSET', LEASED, unpack(records))
    call('ZADD', LEASES, unpack(ends))
end

local hungry, everything = {}, ''
if HUNGRY_MAX > 0 then
    if S.everything_at >= 0 and S.everything_at <= now then
        -- It stays the same when it is leased out again: a large store may take longer to read than
        -- a lease lasts, and what was fed once need not be fed twice.
        if S.everything_token == NO_TOKEN then S.everything_token = DICE end
        everything = S.everything_token
        S.everything_at = now + LEASE
        HUNGRY_MAX = HUNGRY_MAX - 1
    end
    -- Whether a lane that served is still to be fed shows once it is put.
    for i = 1, #touched do put(touched[i]) end
    hungry = call('ZRANGE', HUNGRY, '-inf', now, 'BYSCORE', 'LIMIT', 0, HUNGRY_MAX)
    read_lanes(hungry)
    for i = 1, #hungry do
        local L = lane(hungry[i])
        -- What is missing is being read from the store now; refusals from here on count.
        L.hunger = {
            missing_due = NEVER, fed_until = 0, free_at = now + LEASE, token = token, again = false,
        }
        L.fed_at = now
        touch(L)
    end
end

finish_lanes()

local next = more and now or NEVER
for _, key in ipairs({ TIMERS, LEASES, HUNGRY }) do
    local first = call('ZRANGE', key, 0, 0, 'WITHSCORES')
    if first[2] then next = math.min(next, tonumber(first[2])) end
end
if S.everything_at >= 0 then next = math.min(next, S.everything_at) end
-- Lanes that were left in a ring are no news: whoever waits was told when they came there.
woke, soonest = false, next
if next > S.told then S.told = next end
finish_state()
return {
    now, next == NEVER and -1 or math.max(0, next - now), more and 1 or 0, token, named,
    table.concat(items), everything, hungry,
}
