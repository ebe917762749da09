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
local token = new_token()

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

-- What a lane that stands in a ring has to give: items that are due, and places for them. New items
-- are the first in its queue, those that wait by their due time follow.
local function open(L)
    touch(L)
    L.opened, L.given, L.at = true, 0, 0
    if L.position ~= RING then
        know_again(L)
        L.position = RING
    end
    L.timed_due = first_due(L) <= now and call('ZCOUNT', L.key, 0, NOW) or 0
    if L.timed_due == 0 and L.first <= now then
        recount(L)
        L.timed_due = first_due(L) <= now and call('ZCOUNT', L.key, 0, NOW) or 0
    end
    local due = L.fresh + L.timed_due
    L.places = wanted_position(L) == RING and math.min(due, places_left(L)) or 0
    -- What comes after the places is leased ahead, as much as it may have for each of them.
    L.limit = math.min(due, L.places * (1 + L.ahead))
end

local order, n = {}, 0
local tenants, rings, served = line(TENANTS), {}, {}
local waiting = MAX > 0 and call('ZCARD', TENANTS) or 0
while n < MAX do
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
        local name = next_of(ring, ring.some)
        if name then
            -- Those who were read with it are not known either.
            if not lanes[name] then read_lanes(ring.ahead) end
            local L = lanes[name]
            if not L.opened then open(L) end
            if L.given < L.limit then
                n = n + 1
                order[n] = L
                L.given = L.given + 1
                if L.given < L.limit then ring.again[#ring.again + 1] = name end
            end
        end
        if not name and ring.read == 0 then
            -- Who has no ring is not among the tenants: its lanes stand nowhere.
            call('ZREM', TENANTS, tenant)
            starve_everything()
        end
        if has_next(ring, ring.some) then tenants.again[#tenants.again + 1] = tenant end
    end
end

-- The first of a lane that are due, as many as it was given of each kind; and whether that is fewer
-- than were counted.
local function first_of(L)
    local fresh, timed = {}, {}
    local some_fresh, some_timed = math.min(L.fresh, L.given), math.min(L.timed_due, L.given)
    if some_fresh > 0 then fresh = call('ZRANGE', L.key, 0, some_fresh - 1) end
    if some_timed > 0 then
        timed = call('ZRANGE', L.key, L.fresh, L.fresh + some_timed - 1)
    end
    return fresh, timed, #fresh < some_fresh or #timed < some_timed
end

-- Takes as many of a lane as it was given, new ones and retries in turns.
local function take(L)
    local fresh, timed, fewer = first_of(L)
    if fewer then
        recount(L)
        L.timed_due = first_due(L) <= now and call('ZCOUNT', L.key, 0, NOW) or 0
        L.given = math.min(L.given, L.fresh + L.timed_due)
        fresh, timed = first_of(L)
        -- What it was given in vain is for the others.
        more = true
    end
    local taken, retries, f, t, count = {}, {}, 0, 0, L.given
    for i = 1, count do
        local retry = t < #timed and (L.retry_next or f == #fresh)
        L.retry_next = not retry
        if retry then
            t = t + 1
            taken[i], retries[i] = timed[t], true
        else
            f = f + 1
            taken[i] = fresh[f]
        end
    end
    if t > 0 then
        call('ZREMRANGEBYRANK', L.key, L.fresh, L.fresh + t - 1)
        L.first, L.last = nil, nil
    end
    if f > 0 then call('ZREMRANGEBYRANK', L.key, 0, f - 1) end
    L.fresh, L.queued, L.leased = L.fresh - f, L.queued - count, L.leased + count
    L.taken, L.retries = taken, retries
end

-- Added to the place of an item's lane if it is ahead.
local AHEAD = 32768
local named, items, records, ends, r = {}, {}, {}, {}, 0
local sent, lease_ends = token .. 's', string.format('%.0f', now + LEASE)
local new_ahead, retry_ahead = token .. 'w', token .. 'v'
for i = 1, n do
    local L = order[i]
    if not L.taken then
        take(L)
        named[#named + 1] = L.name
        L.tag = struct.pack('>I2', #named - 1)
        L.tag_ahead = struct.pack('>I2', #named - 1 + AHEAD)
    end
    L.at = L.at + 1
    local member = L.taken[L.at]
    if member and #member == 24 then
        local event = sub(member, 9)
        local field = L.name .. event
        r = r + 1
        if L.at <= L.places then
            L.in_flight = L.in_flight + 1
            items[r] = L.tag .. event
            records[2 * r] = sent .. sub(member, 1, 8)
        else
            L.waiting = L.waiting + 1
            items[r] = L.tag_ahead .. event
            records[2 * r] = (L.retries[L.at] and retry_ahead or new_ahead) .. sub(member, 1, 8)
        end
        records[2 * r - 1] = field
        ends[2 * r - 1], ends[2 * r] = lease_ends, field
    elseif member then
        -- No version wrote it, and now it is gone.
        L.leased = L.leased - 1
    end
end

for i = 1, #served do write_turns(served[i]) end
write_turns(tenants)
if r > 0 then
    call('HSET', LEASED, unpack(records))
    write_ends(ends)
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
    hungry = call('ZRANGE', HUNGRY, '-inf', NOW, 'BYSCORE', 'LIMIT', 0, HUNGRY_MAX)
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
