-- Takes the ownership. KEYS: committed. ARGV: owner, lease in ms, buckets, format.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = redis.call('HMGET', KEYS[1], 'owner', 'until', 'buckets', 'format')
if found[4] and found[4] ~= ARGV[4] then
    return {'format', found[4]}
end
if found[3] and found[3] ~= ARGV[3] then
    return {'buckets', found[3]}
end
if found[1] and found[1] ~= ARGV[1] and tonumber(found[2]) > now then
    return {'owned', found[1], string.format('%.0f', found[2] - now)}
end
local generation = redis.call('HINCRBY', KEYS[1], 'generation', 1)
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'until', string.format('%.0f', now + ARGV[2]),
    'buckets', ARGV[3], 'format', ARGV[4])
local last = redis.call('HMGET', KEYS[1], 'committed_by', 'n', 'manifest')
return {'taken', generation, last}
