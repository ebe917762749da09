-- Frees places on the wire, and ends leases of items and of hunger.
--
-- ARGV[9…] pairs of a subject and what becomes of it. Subject: `i` and a lane, for items of it, `l`
--          and a hungry lane, or `e` for everything. What: one after the other a letter, the token,
--          of an item its event, and more by the letter.
--          a answered, f answered by a failure: µs of quiet that was asked for (a double, -1 if
--          none), and how many may be leased ahead (a byte); p answered, and its place passed on:
--          the event it goes to and the token of that lease; d done; g again: after so many µs
-- returns  for how long the caller may sleep

local FIRST = 9
-- Bytes of what becomes of an item.
local SIZE = { a = 34, f = 34, p = 49, d = 25, g = 33 }

-- Every settlement of an item: its lane, how, token, event, and its place in the argument.
local names, fields, lane_of, hows, tokens, events, args, places = {}, {}, {}, {}, {}, {}, {}, {}
local n, others = 0, {}
for i = FIRST, #ARGV, 2 do
    local name, arg = sub(ARGV[i], 2), ARGV[i + 1]
    if sub(ARGV[i], 1, 1) == 'i' then
        names[#names + 1] = name
        local at = 1
        while at <= #arg do
            local how, token, event = struct.unpack('>c1c8c16', arg, at)
            n = n + 1
            fields[n], lane_of[n], hows[n], tokens[n] = name .. event, name, how, token
            events[n], args[n], places[n] = event, arg, at
            at = at + SIZE[how]
        end
    else
        others[#others + 1] = i
        if name ~= '' then names[#names + 1] = name end
    end
end
read_lanes(names)
local leases = {}
if n > 0 then
    local found = call('HMGET', LEASED, unpack(fields))
    for i = 1, n do leases[fields[i]] = found[i] end
end

local changed = {}

-- The place goes to an item that was leased ahead, if that lease is the current one.
local function pass_on(L, i)
    local to, under = struct.unpack('>c16c8', args[i], places[i] + 25)
    local field = L.name .. to
    local next = leases[field]
    if next == nil then next = call('HGET', LEASED, field) end
    if next and is_waiting(state_of(next)) and sub(next, 1, 8) == under then
        leases[field], changed[field] = with_state(next, 's'), true
        L.in_flight, L.waiting = L.in_flight + 1, math.max(0, L.waiting - 1)
    end
end

-- The place is free, or that of an item that was leased ahead. Who has none yet may be answered
-- before its place is passed on to it: then it is free once that is said.
local function answer(L, i, how, state)
    leave_state(L, state)
    L.failures = how == 'f' and L.failures + 1 or 0
    touch(L)
    if how == 'p' then
        if state == 's' then pass_on(L, i) end
    else
        local us, ahead = struct.unpack('>dB', args[i], places[i] + 25)
        L.ahead = ahead
        if us >= 0 then L.held_until = math.max(L.held_until, now + us) end
    end
end

local function settle_item(i)
    local field, how = fields[i], hows[i]
    local lease = leases[field]
    if not lease or sub(lease, 1, 8) ~= tokens[i] then return end
    local L = lanes[lane_of[i]]
    if how == 'd' then
        release(L, lease, events[i], nil)
        leases[field] = false
    elseif how == 'g' then
        local after = struct.unpack('>d', args[i], places[i] + 25)
        release(L, lease, events[i], math.min(now + after, NEVER - 1))
        leases[field] = false
    else
        local state = state_of(lease)
        if state == 'a' then return end
        leases[field] = with_state(lease, 'a')
        answer(L, i, how, state)
    end
    changed[field] = true
end

local function settle_lane(L, how, token, us)
    local H = L.hunger
    if not H or H.token ~= token or token == NO_TOKEN or (how ~= 'd' and how ~= 'g') then return end
    touch(L)
    if how == 'd' and not H.again then
        L.hunger = nil
        return
    end
    H.token, H.free_at = NO_TOKEN, (how == 'g' and us > 0) and now + us or 0
    -- There is more in the store than was pushed, and nothing was refused.
    if H.missing_due == NEVER then H.missing_due = H.fed_until end
end

local function settle_everything(how, token, us)
    if S.everything_token ~= token or token == NO_TOKEN or (how ~= 'd' and how ~= 'g') then
        return
    end
    S.everything_token = NO_TOKEN
    if how == 'g' then
        S.everything_at = now + us
        tell(S.everything_at)
    elseif S.everything_again == 1 then
        S.everything_at = now + MISSED_PAUSE
        tell(S.everything_at)
    else
        S.everything_at = -1
    end
    S.everything_again = 0
end

for i = 1, n do settle_item(i) end
for _, i in ipairs(others) do
    local how, token = struct.unpack('>c1c8', ARGV[i + 1])
    local after = how == 'g' and struct.unpack('>d', ARGV[i + 1], 10) or 0
    if sub(ARGV[i], 1, 1) == 'l' then
        settle_lane(lane(sub(ARGV[i], 2)), how, token, after)
    else
        settle_everything(how, token, after)
    end
end

local kept, ended = {}, {}
for field in pairs(changed) do
    if leases[field] then
        kept[#kept + 1] = field
        kept[#kept + 1] = leases[field]
    else
        ended[#ended + 1] = field
    end
end
if #kept > 0 then call('HSET', LEASED, unpack(kept)) end
if #ended > 0 then
    call('HDEL', LEASED, unpack(ended))
    call('ZREM', LEASES, unpack(ended))
end

finish_lanes()
return { finish_state() }
