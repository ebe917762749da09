-- Lanes: what each may do, what waits in it, and where it stands.
--
-- A lane's queue is one sorted set of `seq event` (8 and 16 bytes). New items come first, below
-- zero and in the order they came; those that were tried before or were not due when they came
-- follow by their due time.
--
-- Any key may be gone, evicted or deleted, while others still count what was in it. Nothing looks
-- for that by itself; but whoever finds less than was counted counts anew and has the lane fed, and
-- what is fed (push.lua) is put where it belongs even if it is believed to be there.

local NOWHERE, RING = 0, -1 -- any other position is the moment of its timer
local FRESH = -4503599627370496 -- a new item's score is this and the time it came at
local PACKED = '>ddddddI4I4I4I4I4I4I4BB'
local PACKED_HUNGER = '>dddBc8d'
local PACKED_BYTES, HUNGER_BYTES = 78, 41
local RELEASED = 18446744073709551616 -- the version of a webhook that is gone

local lanes, touched = {}, {}

local function new_lane(name)
    return {
        name = name, key = QUEUE .. name, fan_out = string.sub(name, -8) == '/fan-out',
        position = NOWHERE, first = NEVER, last_fresh = 0, held_until = 0, fed_at = 0, version = 0,
        max_in_flight = 16, failures = 0, in_flight = 0, leased = 0, queued = 0, fresh = 0,
        waiting = 0, ahead = 0,
        paused = false, retry_next = false, hunger = nil, hungry_at = nil, adds = {},
    }
end

local function unpack_lane(name, packed)
    local L, flags, at = new_lane(name), nil, nil
    -- What no version wrote is as good as nothing.
    if #packed ~= PACKED_BYTES and #packed ~= PACKED_BYTES + HUNGER_BYTES then return L end
    L.position, L.first, L.last_fresh, L.held_until, L.fed_at, L.version, L.max_in_flight,
        L.failures, L.in_flight, L.waiting, L.leased, L.queued, L.fresh, L.ahead, flags, at =
        struct.unpack(PACKED, packed)
    L.paused, L.retry_next = flags % 2 == 1, flags % 4 >= 2
    if flags >= 4 and #packed > PACKED_BYTES then
        local H, again, hungry_at = {}, nil, nil
        H.missing_due, H.fed_until, H.free_at, again, H.token, hungry_at =
            struct.unpack(PACKED_HUNGER, packed, at)
        H.again = again == 1
        L.hunger = H
        if hungry_at >= 0 then L.hungry_at = hungry_at end
    end
    L.packed = packed
    return L
end

-- Reads lanes that are not read yet, all at once.
local function read_lanes(names)
    local missing = {}
    for i = 1, #names do
        if not lanes[names[i]] then
            lanes[names[i]] = true
            missing[#missing + 1] = names[i]
        end
    end
    if #missing == 0 then return end
    local packed = call('HMGET', LANES, unpack(missing))
    for i = 1, #missing do
        local name = missing[i]
        local L = packed[i] and unpack_lane(name, packed[i]) or new_lane(name)
        L.was_queued, L.was_leased, L.was_in_flight = L.queued, L.leased, L.in_flight
        lanes[name] = L
    end
end

local function lane(name)
    if not lanes[name] then read_lanes({ name }) end
    return lanes[name]
end

-- Says that it is to be put where it belongs, and written.
local function touch(L)
    if not L.touched then
        L.touched = true
        touched[#touched + 1] = L
    end
end

local function write_adds(L)
    if #L.adds > 0 then
        call('ZADD', L.key, unpack(L.adds))
        L.adds = {}
    end
end

-- It refused, dropped or lost an item, which only the store knows now.
local function starve(L, due)
    local H = L.hunger
    if H then
        H.missing_due, H.again = math.min(H.missing_due, due), true
    else
        L.hunger = { missing_due = due, fed_until = 0, free_at = 0, token = NO_TOKEN, again = false }
    end
end

-- Its queue holds something else than was counted: what is there counts, the rest has to be fed.
local function recount(L)
    write_adds(L)
    local counted = L.queued
    L.queued, L.fresh = call('ZCARD', L.key), call('ZCOUNT', L.key, '-inf', '(0')
    L.first, L.last = nil, nil
    touch(L)
    if L.queued < counted then
        starve(L, now)
    elseif not L.packed then
        -- The lane was forgotten, but not in the totals.
        L.was_queued = L.queued
    end
    L.packed = L.packed or ''
end

-- A lane that stands somewhere or has a lease and is not known was forgotten, and perhaps others with
-- it, and what they may do.
local function know_again(L)
    if L.packed then return end
    recount(L)
    if L.queued > 0 then
        if S.everything_at < 0 then begin_epoch() else starve_everything() end
        tell(now)
    end
end

-- When the first of those that wait by their due time is due.
local function first_due(L)
    if not L.first then
        write_adds(L)
        local first = call('ZRANGE', L.key, L.fresh, L.fresh, 'WITHSCORES')
        if not first[2] and L.queued > L.fresh then
            recount(L)
            first = call('ZRANGE', L.key, L.fresh, L.fresh, 'WITHSCORES')
        end
        L.first = tonumber(first[2]) or NEVER
    end
    return L.first
end

-- When the last of them is; nothing if there is none.
local function last_due(L)
    if L.last == nil then
        L.last = false
        if L.queued > L.fresh then
            write_adds(L)
            local last = call('ZRANGE', L.key, -1, -1, 'WITHSCORES')
            if last[2] then
                L.last_member, L.last = last[1], tonumber(last[2])
            else
                recount(L)
                L.last = false
            end
        end
    end
    return L.last
end

-- Those that come in the order of their seq may come at the same time: of equal ones it decides.
local function add_fresh(L, member)
    if not L.fresh_score or member < L.fresh_member then
        L.last_fresh = math.max(now, L.last_fresh + 1)
        L.fresh_score = string.format('%.0f', FRESH + L.last_fresh)
    end
    L.fresh_member = member
    L.adds[#L.adds + 1] = L.fresh_score
    L.adds[#L.adds + 1] = member
    L.fresh, L.queued = L.fresh + 1, L.queued + 1
end

-- New items that were leased ahead and come back stand before the others, in the order of their seq.
local function add_first(L, member)
    if not L.first_score then
        write_adds(L)
        local first = L.fresh > 0 and call('ZRANGE', L.key, 0, 0, 'WITHSCORES')[2]
        if not first and L.fresh > 0 then recount(L) end
        L.first_score = string.format('%.0f', math.min(first or NEVER, FRESH + now) - 1)
    end
    L.adds[#L.adds + 1] = L.first_score
    L.adds[#L.adds + 1] = member
    L.fresh, L.queued = L.fresh + 1, L.queued + 1
end

local function add_timed(L, member, due)
    L.adds[#L.adds + 1] = due
    L.adds[#L.adds + 1] = member
    L.queued = L.queued + 1
    if L.first and due < L.first then L.first = due end
    if not L.last or due >= L.last then L.last = nil end
end

local function bring_forward(L, member, due)
    L.adds[#L.adds + 1] = due
    L.adds[#L.adds + 1] = member
    if L.first and due < L.first then L.first = due end
    L.last = nil
end

-- Whether there is room for an item that is due then; if only since the one that is due last gave
-- way, also that one.
local function room(L, due)
    if L.queued + L.leased < CAP then return true end
    local last = last_due(L)
    if not last then return L.queued + L.leased < CAP end
    if last <= due then return false end
    local dropped = L.last_member
    write_adds(L)
    call('ZREM', L.key, dropped)
    L.queued, L.last = L.queued - 1, nil
    if L.first == last then L.first = nil end
    starve(L, last)
    return true, dropped
end

-- A lease as it is kept: its token (8 bytes), s if its request is on the wire, w if it waits for a
-- place and v if it does and is a retry, else a, the seq of its item (8), and if it was pushed
-- meanwhile when that is due (a double).
local function is_lease(lease) return #lease == 17 or #lease == 25 end

local function state_of(lease) return sub(lease, 9, 9) end

local function is_waiting(state) return state == 'w' or state == 'v' end

local function with_state(lease, state) return sub(lease, 1, 8) .. state .. sub(lease, 10) end

-- It is off the wire, or waits no more. A lane that was forgotten meanwhile counts only in the totals.
local function leave_state(L, state)
    if state == 's' then
        if L.in_flight == 0 and not L.fan_out then S.in_flight = S.in_flight - 1 end
        L.in_flight = math.max(0, L.in_flight - 1)
    elseif is_waiting(state) then
        L.waiting = math.max(0, L.waiting - 1)
    end
end

local function end_lease(L)
    if L.leased == 0 then S.leased = S.leased - 1 end
    L.leased = math.max(0, L.leased - 1)
    touch(L)
end

-- More were counted than there are; what they were at is not known.
local function bound_leased(L, most)
    L.leased = math.min(L.leased, most)
    L.in_flight = math.min(L.in_flight, L.leased)
    L.waiting = math.min(L.waiting, L.leased - L.in_flight)
end

-- A lease whose record is gone: only the store knows its item.
local function lose_lease(L)
    end_lease(L)
    bound_leased(L, L.leased)
    if L.packed then starve(L, now) end
end

-- Until when new leases last. An item that is leased already was leased under a lost record.
local function write_ends(ends)
    if call('ZADD', LEASES, 'NX', unpack(ends)) * 2 == #ends then return end
    local fields = {}
    for i = 2, #ends, 2 do fields[#fields + 1] = ends[i] end
    local found = call('ZMSCORE', LEASES, unpack(fields))
    for i = 1, #fields do
        if tonumber(found[i]) ~= tonumber(ends[1]) then
            local L = lane(sub(fields[i], 1, -17))
            end_lease(L)
            bound_leased(L, L.leased)
        end
    end
    call('ZADD', LEASES, unpack(ends))
end

-- Ends a lease: the item is gone, or due again.
local function release(L, lease, event, due)
    know_again(L)
    local state = state_of(lease)
    leave_state(L, state)
    end_lease(L)
    if #lease > 17 then
        local pushed = struct.unpack('>d', lease, 18)
        if not due or pushed < due then due = pushed end
    end
    if not due then return end
    local member = sub(lease, 10, 17) .. event
    if not room(L, due) then
        starve(L, due)
    elseif state == 'w' and due <= now then
        add_first(L, member)
    else
        add_timed(L, member, due)
    end
end

-- Requests it may have on the wire: one after three failures in a row, until one succeeds. Fanning
-- out is not on the wire.
local function places_left(L)
    if L.fan_out then return NEVER end
    return (L.failures >= 3 and 1 or L.max_in_flight) - L.in_flight
end

-- Whether it can be served now, will be at a moment, or neither.
local function wanted_position(L)
    if L.paused or places_left(L) <= 0 then return NOWHERE end
    local due = L.fresh > 0 and now or first_due(L)
    if due == NEVER then return NOWHERE end
    local moment = math.max(due, L.held_until)
    return moment <= now and RING or moment
end

-- When it is to be fed: below half of its cap at once; else when something it dropped is due while
-- it holds something that is not.
local function feed_at(L)
    local H = L.hunger
    if not H then return nil end
    if (L.queued + L.leased) * 2 < CAP then return H.free_at end
    local last = last_due(L)
    if not last or last <= H.missing_due then return nil end
    return math.max(H.missing_due, H.free_at, L.fed_at + FEED_PAUSE)
end

-- Whether forgetting it would lose nothing but what is the default anyway, or of a webhook that is
-- gone.
local function is_idle(L)
    if L.queued + L.leased > 0 or L.hunger or L.paused or L.max_in_flight ~= 16 then
        return false
    end
    return L.version == RELEASED or (L.version == 0 and L.failures == 0 and L.held_until <= now)
end

local function leave_ring(L)
    local tenant = string.match(L.name, '^[^/]*')
    local ring = RING_OF .. tenant
    call('ZREM', ring, L.name)
    if call('EXISTS', ring) == 0 then call('ZREM', TENANTS, tenant) end
end

local function enter_ring(L)
    local tenant = string.match(L.name, '^[^/]*')
    S.turn = S.turn + 1
    call('ZADD', RING_OF .. tenant, S.turn, L.name)
    call('ZADD', TENANTS, 'NX', S.turn, tenant)
end

-- A lane that was fed is believed in nothing, not even where it stands.
local function stand_again(L)
    if L.position == RING then
        local tenant = string.match(L.name, '^[^/]*')
        S.turn = S.turn + 1
        local news = call('ZADD', RING_OF .. tenant, 'NX', S.turn, L.name)
        if news + call('ZADD', TENANTS, 'NX', S.turn, tenant) > 0 then woke = true end
    elseif L.position > 0 and call('ZADD', TIMERS, 'NX', L.position, L.name) > 0 then
        tell(L.position)
    end
    if L.hungry_at and call('ZADD', HUNGRY, 'NX', L.hungry_at, L.name) > 0 then tell(L.hungry_at) end
end

-- Puts a lane where it belongs. Every change of a lane ends here.
local function put(L)
    write_adds(L)
    -- Either may find that less is there than was counted.
    feed_at(L)
    first_due(L)
    local was, wanted = L.position, wanted_position(L)
    if was ~= wanted then
        if was == RING then
            leave_ring(L)
        elseif was > 0 and wanted <= 0 then
            call('ZREM', TIMERS, L.name)
        end
        if wanted == RING then
            enter_ring(L)
            woke = true
        elseif wanted > 0 then
            call('ZADD', TIMERS, wanted, L.name)
            tell(wanted)
        end
        L.position = wanted
    end
    local hungry_at = feed_at(L)
    if hungry_at ~= L.hungry_at then
        if hungry_at then
            call('ZADD', HUNGRY, hungry_at, L.name)
            tell(hungry_at)
        else
            call('ZREM', HUNGRY, L.name)
        end
        L.hungry_at = hungry_at
    end
    if L.fed then stand_again(L) end
end

local function pack_lane(L)
    local flags = (L.paused and 1 or 0) + (L.retry_next and 2 or 0) + (L.hunger and 4 or 0)
    local packed = struct.pack(PACKED, L.position, first_due(L), L.last_fresh, L.held_until, L.fed_at,
        L.version, L.max_in_flight, L.failures, L.in_flight, L.waiting, L.leased, L.queued, L.fresh,
        L.ahead, flags)
    local H = L.hunger
    if not H then return packed end
    return packed .. struct.pack(PACKED_HUNGER, H.missing_due, H.fed_until, H.free_at,
        H.again and 1 or 0, H.token, L.hungry_at or -1)
end

-- Puts and writes every lane that was touched.
local function finish_lanes()
    local written, forgotten = {}, {}
    for i = 1, #touched do
        local L = touched[i]
        put(L)
        S.queued = math.max(0, S.queued + L.queued - L.was_queued)
        S.leased = math.max(0, S.leased + L.leased - L.was_leased)
        if not L.fan_out then
            S.in_flight = math.max(0, S.in_flight + L.in_flight - L.was_in_flight)
        end
        if L.position == NOWHERE and is_idle(L) then
            if L.packed then forgotten[#forgotten + 1] = L.name end
        else
            local packed = pack_lane(L)
            if packed ~= L.packed then
                written[#written + 1] = L.name
                written[#written + 1] = packed
            end
        end
    end
    if #written > 0 then call('HSET', LANES, unpack(written)) end
    if #forgotten > 0 then call('HDEL', LANES, unpack(forgotten)) end
end
