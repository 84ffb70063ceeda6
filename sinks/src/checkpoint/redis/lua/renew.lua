-- Prolongs the lease. KEYS: committed. ARGV: generation, owner or nothing, lease in ms.
local found = redis.call('HMGET', KEYS[1], 'owner', 'generation', 'n')
if not found[1] or found[2] ~= ARGV[1] or (ARGV[2] ~= '' and found[1] ~= ARGV[2]) then
    return {'fenced', found[2] or '0'}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], 'until', string.format('%.0f', now + ARGV[3]))
return {'renewed', found[3]}
