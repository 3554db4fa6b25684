---@meta telegram

--- Sends messages through Telegram bots.
---@class telegram
local telegram = {}

--- The sender. `username` may replace `chat_id`; `inline_message_id` may replace chat and message.
---@class telegram.Bot
local Bot = {}

--- Sends `text` to `chat_id`. Waits.
---@param message telegram.Message
---@return table?
---@return string? error
function Bot:sendMessage(message) end

--- Forwards `message_id` of `from_chat_id`. Waits.
---@param message telegram.Message
---@return table?
---@return string? error
function Bot:forwardMessage(message) end

--- Uploads the file `photo`, or sends `file_id` with `UseExisting = true`. Waits.
---@param photo telegram.Message
---@return table?
---@return string? error
function Bot:sendPhoto(photo) end

--- Changes the `text` of `message_id`. Waits.
---@param edit telegram.Message
---@return table?
---@return string? error
function Bot:editMessageText(edit) end

--- Changes the `caption`. Waits.
---@param edit telegram.Message
---@return table?
---@return string? error
function Bot:editMessageCaption(edit) end

--- Changes the `reply_markup`. Waits.
---@param edit telegram.Message
---@return table?
---@return string? error
function Bot:editMessageReplyMarkup(edit) end

--- Deletes `message_id`. Waits.
---@param message telegram.Message
---@return table?
---@return string? error
function Bot:deleteMessage(message) end

--- The updates since the last call. Waits.
---@return table[]?
---@return string? error
function Bot:getUpdates() end

--- The lowest number that the next update can have.
---@return integer
function Bot:getOffset() end

--- Creates a bot. Without a client each call has a timeout of 10 s. `url` is a Bot API server other
--- than Telegram's.
---@param token string
---@param http_client? http.Client
---@param url? string
---@return telegram.Bot
function telegram.bot(token, http_client, url) end

---@class telegram.Message
---@field chat_id? integer
---@field username? string
---@field text? string
---@field parse_mode? string
---@field disable_web_page_preview? boolean
---@field disable_notification? boolean
---@field reply_to_message_id? integer
---@field reply_markup? table
---@field from_chat_id? integer
---@field message_id? integer
---@field inline_message_id? string
---@field caption? string
---@field photo? string path of a file
---@field file_id? string
---@field UseExisting? boolean

return telegram
