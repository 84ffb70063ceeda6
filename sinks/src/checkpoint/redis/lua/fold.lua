-- Changes fields. KEYS: a hash. ARGV: generation, number of fields set, their names and texts, names deleted.
local by = redis.call('HGET', KEYS[1], '@generation')
if by and tonumber(by) > tonumber(ARGV[1]) then
    return {'fenced', by}
end
local sets = 2 + 2 * ARGV[2]
if by ~= ARGV[1] then
    redis.call('HSET', KEYS[1], '@generation', ARGV[1])
end
if sets > 2 then
    redis.call('HSET', KEYS[1], unpack(ARGV, 3, sets))
end
if #ARGV > sets then
    redis.call('HDEL', KEYS[1], unpack(ARGV, sets + 1))
end
return {'folded'}
