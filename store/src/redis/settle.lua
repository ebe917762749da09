-- Frees places on the wire, and ends leases of items and of hunger.
--
-- ARGV[9…] pairs of a subject and what becomes of it. Subject: `i` and lane and event, `l` and a
--          hungry lane, or `e` for everything. What: a letter, the token, and more.
--          a answered, f answered by a failure: µs of quiet that was asked for (a double, -1 if
--          none), and how many may be leased ahead (a byte); p answered, and its place passed on:
--          the event it goes to and the token of that lease; d done; g again: after so many µs
-- returns  for how long the caller may sleep

local FIRST = 9

local fields, names, leases, changed = {}, {}, {}, {}
for i = FIRST, #ARGV, 2 do
    local what, subject = string.sub(ARGV[i], 1, 1), string.sub(ARGV[i], 2)
    if what == 'i' then
        fields[#fields + 1] = subject
        if string.sub(ARGV[i + 1], 1, 1) == 'p' then
            fields[#fields + 1] = string.sub(subject, 1, -17) .. string.sub(ARGV[i + 1], 10, 25)
        end
    elseif what == 'l' then
        names[#names + 1] = subject
    end
end
if #fields > 0 then
    local found = call('HMGET', LEASED, unpack(fields))
    for i = 1, #fields do
        if found[i] then
            leases[fields[i]] = unpack_lease(found[i])
            names[#names + 1] = string.sub(fields[i], 1, -17)
        end
    end
end
read_lanes(names)

-- The place is free, or that of an item that was leased ahead.
local function answer(L, lease, how, more)
    lease.sent = false
    L.in_flight = L.in_flight - 1
    L.failures = how == 'f' and L.failures + 1 or 0
    touch(L)
    if how == 'p' then
        local field = L.name .. string.sub(more, 1, 16)
        local next = leases[field]
        if next and next.ahead and next.token == string.sub(more, 17, 24) then
            next.ahead, next.sent = false, true
            L.in_flight = L.in_flight + 1
            changed[field] = true
        end
    else
        local us, ahead = struct.unpack('>dB', more)
        L.ahead = ahead
        if us >= 0 then L.held_until = math.max(L.held_until, now + us) end
    end
end

local function settle_item(field, how, token, more)
    local lease = leases[field]
    if not lease or lease.token ~= token then return end
    local L = lane(string.sub(field, 1, -17))
    if how == 'd' or how == 'g' then
        leases[field] = nil
        local due = how == 'g' and math.min(now + struct.unpack('>d', more), NEVER - 1)
        release(L, lease, string.sub(field, -16), due)
    elseif lease.sent then
        answer(L, lease, how, more)
    end
    changed[field] = true
end

local function after_of(how, more)
    return how == 'g' and struct.unpack('>d', more) or 0
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

for i = FIRST, #ARGV, 2 do
    local what, subject = string.sub(ARGV[i], 1, 1), string.sub(ARGV[i], 2)
    local how, token = struct.unpack('>c1c8', ARGV[i + 1])
    local more = string.sub(ARGV[i + 1], 10)
    if what == 'i' then
        settle_item(subject, how, token, more)
    elseif what == 'l' then
        settle_lane(lane(subject), how, token, after_of(how, more))
    else
        settle_everything(how, token, after_of(how, more))
    end
end

local kept, ended = {}, {}
for field in pairs(changed) do
    if leases[field] then
        kept[#kept + 1] = field
        kept[#kept + 1] = pack_lease(leases[field])
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
