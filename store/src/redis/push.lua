-- Adds what is neither queued nor leased.
--
-- ARGV[9…] pairs of a lane and its items, 33 bytes each: seq and event, whether it was tried
--          before, and in how many µs it is due (a double)
-- returns  for how long the caller may sleep; the refused items, counted from 0

local FIRST, SIZE = 9, 33

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

local function push_leased(field, due)
    local lease = leased[field]
    if #lease == 17 or due < struct.unpack('>d', lease, 18) then
        leased[field] = sub(lease, 1, 17) .. struct.pack('>d', due)
        call('HSET', LEASED, field, leased[field])
    end
end

local refused, n = {}, 0
for i = FIRST, #ARGV, 2 do
    local L, items = lane(ARGV[i]), ARGV[i + 1]
    local scores = waiting(L, items)
    touch(L)
    for at = 1, #items, SIZE do
        n = n + 1
        local member, retry, after = struct.unpack('>c24Bd', items, at)
        local due = math.min(now + after, NEVER - 1)
        if L.hunger and due > L.hunger.fed_until then L.hunger.fed_until = due end
        local score = scores[member]
        if score then
            if score >= 0 and due < score then
                bring_forward(L, member, due)
                scores[member] = due
            end
        elseif fields[n] and leased[fields[n]] then
            push_leased(fields[n], due)
        else
            local fits, dropped = room(L, due)
            if dropped then scores[dropped] = nil end
            if not fits then
                starve(L, due)
                refused[#refused + 1] = n - 1
            elseif retry == 1 or after > 0 then
                add_timed(L, member, due)
                scores[member] = due
            else
                add_fresh(L, member)
                scores[member] = FRESH
            end
        end
    end
end

finish_lanes()
return { finish_state(), refused }
