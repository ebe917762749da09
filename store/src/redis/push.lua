-- Adds what is neither queued nor leased, or leases it at once.
--
-- ARGV[9…] pairs of a lane and its items, 33 bytes each: seq and event, what it is, and in how many
--          µs it is due (a double). It is 0 new, 1 tried before, 2 new and to be leased at once if
--          there is a place for it, 3 or else ahead; and 4 more if it is fed
-- returns  for how long the caller may sleep; the refused items, counted from 0; the token of all
--          that is leased; the items that are, 2 bytes each: their number, counted from 0, and
--          whether it is ahead

local FIRST, SIZE = 9, 33
-- Added to what an item is if it is fed.
local FED = 4

local names, fields = {}, {}
for i = FIRST, #ARGV, 2 do names[#names + 1] = ARGV[i] end
read_lanes(names)

local leased = {}
if S.leased > 0 then
    for i = FIRST, #ARGV, 2 do
        for at = 1, #ARGV[i + 1], SIZE do
            fields[#fields + 1] = ARGV[i] .. sub(ARGV[i + 1], at + 8, at + 23)
        end
    end
    local found = call('HMGET', LEASED, unpack(fields))
    for i = 1, #fields do leased[fields[i]] = found[i] or nil end
end

-- When each item is due that waits already: below zero if it is new.
local function waiting(L, items)
    local scores = {}
    if L.queued == 0 then return scores end
    local members = {}
    for at = 1, #items, SIZE do members[#members + 1] = sub(items, at, at + 23) end
    local found = call('ZMSCORE', L.key, unpack(members))
    for i = 1, #members do scores[members[i]] = tonumber(found[i] or nil) end
    return scores
end

-- Who feeds a lane looks whether what it counts is there: any key may be gone.
local function check(L)
    L.fed = true
    if call('ZCARD', L.key) ~= L.queued then recount(L) end
    if L.leased > 0 then bound_leased(L, call('ZCARD', LEASES)) end
end

local changed = {}

local function write(field, lease)
    leased[field], changed[field] = lease, true
end

local function push_leased(field, due)
    local lease = leased[field]
    if #lease == 17 or due < struct.unpack('>d', lease, 18) then
        write(field, sub(lease, 1, 17) .. struct.pack('>d', due))
    end
end

-- Added to the number of an item that is ahead.
local AHEAD = 32768
local token, taken, ends, fed_ends = '', {}, {}, {}
local lease_ends = string.format('%.0f', now + LEASE)

-- Whether a new item of a lane is leased at once, with a place (s) or ahead (w): if it can be served
-- and nothing that is due waits in it.
local function at_once(L, kind)
    if kind < 2 or L.fresh > 0 or L.paused or L.held_until > now then return nil end
    if L.queued + L.leased >= CAP or first_due(L) <= now then return nil end
    if places_left(L) > 0 then return 's' end
    return kind == 3 and L.waiting < L.in_flight * L.ahead and 'w' or nil
end

local function lease(L, member, state, number)
    if token == '' then token = new_token() end
    local field = L.name .. sub(member, 9)
    L.leased = L.leased + 1
    if state == 's' then
        L.in_flight = L.in_flight + 1
    else
        L.waiting, number = L.waiting + 1, number + AHEAD
    end
    taken[#taken + 1] = struct.pack('>I2', number)
    ends[#ends + 1] = lease_ends
    ends[#ends + 1] = field
    write(field, token .. state .. sub(member, 1, 8))
end

local refused, n = {}, 0
for i = FIRST, #ARGV, 2 do
    local L, items = lane(ARGV[i]), ARGV[i + 1]
    if string.byte(items, 25) >= FED then check(L) end
    local scores = waiting(L, items)
    touch(L)
    for at = 1, #items, SIZE do
        n = n + 1
        local member, kind, after = struct.unpack('>c24Bd', items, at)
        local due, fed = math.min(now + after, NEVER - 1), kind >= FED
        if fed then kind = kind - FED end
        if L.hunger and due > L.hunger.fed_until then L.hunger.fed_until = due end
        local score = scores[member]
        if score then
            if score >= 0 and due < score then
                bring_forward(L, member, due)
                scores[member] = due
            end
        elseif next(leased) and leased[fields[n] or L.name .. sub(member, 9)] then
            local field = fields[n] or L.name .. sub(member, 9)
            push_leased(field, due)
            if fed then
                fed_ends[#fed_ends + 1] = lease_ends
                fed_ends[#fed_ends + 1] = field
            end
        else
            local state = after == 0 and at_once(L, kind)
            if state then
                lease(L, member, state, n - 1)
            else
                local fits, dropped = room(L, due)
                if dropped then scores[dropped] = nil end
                if not fits then
                    starve(L, due)
                    refused[#refused + 1] = n - 1
                elseif kind == 1 or after > 0 then
                    add_timed(L, member, due)
                    scores[member] = due
                else
                    add_fresh(L, member)
                    scores[member] = FRESH
                end
            end
        end
    end
end

local records = {}
for field in pairs(changed) do
    records[#records + 1] = field
    records[#records + 1] = leased[field]
end
if #records > 0 then call('HSET', LEASED, unpack(records)) end
if #ends > 0 then
    write_ends(ends)
    tell(now + LEASE)
end
-- A lease whose end is gone would last for ever.
if #fed_ends > 0 and call('ZADD', LEASES, 'NX', unpack(fed_ends)) > 0 then tell(now + LEASE) end

finish_lanes()
return { finish_state(), refused, token, table.concat(taken) }
