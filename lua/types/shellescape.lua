---@meta shellescape

--- Quotes words for a shell.
---@class shellescape
local shellescape = {}

--- Quotes a word if necessary.
---@param word string
---@return string
function shellescape.quote(word) end

--- Quotes a whole command.
---@param words string[]
---@return string
function shellescape.quote_command(words) end

--- Removes characters that are not printable.
---@param text string
---@return string
function shellescape.strip_unsafe(text) end

return shellescape
