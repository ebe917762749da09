-- What lanes may do.
--
-- ARGV[9…] of each lane: its name, requests on the wire at once, 1 if it is paused, and the version of
--          the webhook that says so, exact up to 2^53
-- returns  for how long the caller may sleep

local FIRST = 9
local names = {}
for i = FIRST, #ARGV, 4 do names[#names + 1] = ARGV[i] end
read_lanes(names)

for i = FIRST, #ARGV, 4 do
    local L = lane(ARGV[i])
    local max_in_flight, paused = tonumber(ARGV[i + 1]), ARGV[i + 2] == '1'
    local version = tonumber(ARGV[i + 3])
    touch(L)
    if version >= L.version then
        if max_in_flight ~= L.max_in_flight or paused ~= L.paused then L.held_until = 0 end
        L.max_in_flight, L.paused, L.version = max_in_flight, paused, version
    end
end

finish_lanes()
return { finish_state() }
