---@meta bit

--- Bits of unsigned 32-bit numbers. (The global `bit` of LuaJIT is not there.)
---@class bit
local bit = {}

--- Both.
---@param a integer
---@param b integer
---@return integer?
---@return string? error
function bit.band(a, b) end

--- Either.
---@param a integer
---@param b integer
---@return integer?
---@return string? error
function bit.bor(a, b) end

--- One of both.
---@param a integer
---@param b integer
---@return integer?
---@return string? error
function bit.bxor(a, b) end

--- Shifted up.
---@param a integer
---@param b integer
---@return integer?
---@return string? error
function bit.lshift(a, b) end

--- Shifted down.
---@param a integer
---@param b integer
---@return integer?
---@return string? error
function bit.rshift(a, b) end

--- All bits turned.
---@param a integer
---@return integer?
---@return string? error
function bit.bnot(a) end

return bit
