---@meta bit

--- Bit operations on unsigned 32-bit numbers. LuaJIT's global `bit` is not available.
---@class bit
local bit = {}

--- Bitwise AND.
---@param a integer
---@param b integer
---@return integer?
---@return string? error
function bit.band(a, b) end

--- Bitwise OR.
---@param a integer
---@param b integer
---@return integer?
---@return string? error
function bit.bor(a, b) end

--- Bitwise XOR.
---@param a integer
---@param b integer
---@return integer?
---@return string? error
function bit.bxor(a, b) end

--- Shifts left.
---@param a integer
---@param b integer
---@return integer?
---@return string? error
function bit.lshift(a, b) end

--- Shifts right.
---@param a integer
---@param b integer
---@return integer?
---@return string? error
function bit.rshift(a, b) end

--- Bitwise NOT.
---@param a integer
---@return integer?
---@return string? error
function bit.bnot(a) end

return bit
