-- What a lane may do.
--
-- ARGV[9]  lane
-- ARGV[10] requests on the wire at once
-- ARGV[11] 1 if it is paused
-- ARGV[12] the version of the webhook that says so, exact up to 2^53
-- returns  for how long the caller may sleep

local L = lane(ARGV[9])
local max_in_flight, paused = tonumber(ARGV[10]), ARGV[11] == '1'
local version = tonumber(ARGV[12])
touch(L)
if version >= L.version then
    if max_in_flight ~= L.max_in_flight or paused ~= L.paused then L.held_until = 0 end
    L.max_in_flight, L.paused, L.version = max_in_flight, paused, version
end

finish_lanes()
return { finish_state() }
