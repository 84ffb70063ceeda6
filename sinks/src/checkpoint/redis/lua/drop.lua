-- Deletes a hash. KEYS: the hash. ARGV: generation.
local by = redis.call('HGET', KEYS[1], '@generation')
if by and tonumber(by) > tonumber(ARGV[1]) then
    return {'fenced', by}
end
redis.call('UNLINK', KEYS[1])
return {'dropped'}
