-- What is in the partition, in all and in each of some lanes.
--
-- ARGV[9…] lanes
-- returns  for how long the caller may sleep; now; whether there is more to be brought up to date;
--          lanes, queued, leased, in flight, since when the oldest could be served; of each lane
--          queued, leased, in flight, when its oldest is due, when it is served next, and why it
--          waits: b backoff, c concurrency, p paused. Moments are -1 if there is none. And how many
--          leases ended by themselves.

-- How many tenants, and lanes of each, the oldest item is looked for in: those whose turn is next.
local TENANTS_MAX, LANES_MAX = 16, 16

local more = tick()
finish_lanes()

local function oldest_due(L)
    local oldest = first_due(L)
    if L.fresh > 0 then
        local first = call('ZRANGE', L.key, 0, 0, 'WITHSCORES')
        -- Items that came at one moment are numbered on from it.
        if first[2] then oldest = math.min(oldest, tonumber(first[2]) - FRESH, now) end
    end
    return oldest < NEVER and oldest or -1
end

local function look_at(L)
    local queued, wanted = L.queued, wanted_position(L)
    local why = ''
    if queued == 0 then
        why = ''
    elseif L.paused then
        why = 'p'
    elseif places_left(L) <= 0 then
        why = 'c'
    elseif wanted > 0 then
        why = 'b'
    end
    local next = wanted == RING and now or wanted == NOWHERE and -1 or wanted
    return { queued, L.leased, L.fan_out and 0 or L.in_flight, oldest_due(L), next, why }
end

local oldest = NEVER
for _, tenant in ipairs(call('ZRANGE', TENANTS, 0, TENANTS_MAX - 1)) do
    local names = call('ZRANGE', RING_OF .. tenant, 0, LANES_MAX - 1)
    read_lanes(names)
    for i = 1, #names do
        local due = oldest_due(lanes[names[i]])
        if due >= 0 then oldest = math.min(oldest, due) end
    end
end

local names = {}
for i = 9, #ARGV do names[#names + 1] = ARGV[i] end
read_lanes(names)
local looks = {}
for i = 1, #names do looks[i] = look_at(lanes[names[i]]) end

return {
    finish_state(), now, more and 1 or 0,
    { call('HLEN', LANES), S.queued, S.leased, S.in_flight, oldest < NEVER and oldest or -1 },
    looks, tonumber(redis.pcall('GET', EXPIRED) or 0) or 0,
}
