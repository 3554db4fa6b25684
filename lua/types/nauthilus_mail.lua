---@meta nauthilus_mail

--- Sends mail over SMTP and LMTP.
---@class nauthilus_mail
local nauthilus_mail = {}

--- Sends a plain text message. Waits.
---@param mail {server: string, port: number, from: string, to: string[], subject?: string, body?: string, helo_name?: string, username?: string, password?: string, tls?: boolean, starttls?: boolean, lmtp?: boolean}
---@return string? error
function nauthilus_mail.send_mail(mail) end

return nauthilus_mail
