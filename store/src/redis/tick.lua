-- What passing time changes: timers that are due, leases that ended; at most so many of each.
-- Returns whether there may be more.
local function tick()
    local news = woke
    local due = call('ZRANGE', TIMERS, '-inf', NOW, 'BYSCORE', 'LIMIT', 0, TICK_MAX)
    read_lanes(due)
    for i = 1, #due do
        local L = lanes[due[i]]
        if L.position <= 0 then
            -- By its own account it is not here: it was forgotten, and perhaps came anew.
            call('ZREM', TIMERS, L.name)
            know_again(L)
        end
        touch(L)
    end

    local ended = call('ZRANGE', LEASES, '-inf', NOW, 'BYSCORE', 'LIMIT', 0, TICK_MAX)
    if #ended > 0 then
        local names = {}
        for i = 1, #ended do names[i] = string.sub(ended[i], 1, -17) end
        read_lanes(names)
        -- Only a number for who watches: whatever is there instead keeps nobody from the rest.
        redis.pcall('INCRBY', EXPIRED, #ended)
        local leases = call('HMGET', LEASED, unpack(ended))
        for i = 1, #ended do
            if leases[i] and is_lease(leases[i]) and #names[i] > 0 then
                release(lanes[names[i]], leases[i], sub(ended[i], -16), now)
            elseif not leases[i] and #names[i] > 0 then
                lose_lease(lanes[names[i]])
            end
        end
        call('HDEL', LEASED, unpack(ended))
        call('ZREM', LEASES, unpack(ended))
    end

    for i = 1, #touched do put(touched[i]) end
    -- Whoever waits was told of these moments.
    woke = news
    return #due == TICK_MAX or #ended == TICK_MAX
end
